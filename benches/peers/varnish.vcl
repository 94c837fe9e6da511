# Varnish before the list of operators, as somebody who knows it well would set it up for speed.
#
# @WORDS@ are replaced by benches/peers/run.
vcl 4.1;

backend chathub {
    .host = "@UPSTREAM_HOST@";
    .port = "@UPSTREAM_PORT@";
}

sub vcl_recv {
    # The built-in rules would pass whatever has credentials, and add fields of their own; these are all the rules.
    set req.http.Host = "chatapi.smsbat.com";
    if (req.method == "GET" && req.url ~ "^/api/operator\?") {
        return (hash);
    }
    return (pass);
}

sub vcl_hash {
    hash_data(req.url);
    # Two clients with different credentials must never be given the same list.
    hash_data(req.http.Authorization);
    hash_data("|");
    hash_data(req.http.X-Authorization-Key);
    return (lookup);
}

sub vcl_backend_response {
    set beresp.ttl = 60s;
    set beresp.grace = 0s;
    set beresp.keep = 0s;
    return (deliver);
}

sub vcl_deliver {
    return (deliver);
}
