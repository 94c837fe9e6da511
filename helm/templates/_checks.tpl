{{/*
What is refused when the chart is rendered, rather than in the pod: values that the gateway refuses, and those that do not
go together.

What a newcomer would get wrong: to think a pod that does not start is told by `helm upgrade`. It is not; and to find it
among an application's pods takes longer than to read a message. So all bounds of durations and sizes stand here once more
(those of numbers stand in values.schema.json), and the gateway's rules between settings. tests/chart holds both against
the gateway.
*/}}

{{- define "chathub-gateway.check" -}}
{{- include "chathub-gateway.checkBounds" . -}}
{{- include "chathub-gateway.checkUrl" . -}}
{{- include "chathub-gateway.checkFiles" . -}}
{{- include "chathub-gateway.checkRoom" . -}}
{{- include "chathub-gateway.checkQuotas" . -}}
{{- include "chathub-gateway.checkMemory" . -}}
{{- include "chathub-gateway.checkPorts" . -}}
{{- include "chathub-gateway.checkDrain" . -}}
{{- include "chathub-gateway.checkEnv" . -}}
{{- end }}

{{/* Least and most of each duration and size. */}}
{{- define "chathub-gateway.bounds" -}}
server.max_head: [1KiB, 1MiB]
server.max_target: [256B, 64KiB]
server.max_body: [0B, 1GiB]
server.head_timeout: [1ms, 1h]
server.idle_timeout: [1ms, 1h]
server.body_timeout: [1ms, 1h]
server.send_timeout: [1ms, 1h]
server.min_rate: [0B, 1MiB]
server.drain_delay: [0s, 300s]
server.drain_deadline: [1ms, 1h]
upstream.connect_timeout: [1ms, 1h]
upstream.head_timeout: [1ms, 1h]
upstream.idle_timeout: [1ms, 1h]
upstream.total_timeout: [1ms, 1h]
upstream.pool_idle_timeout: [1ms, 1h]
cache.operators_ttl: [0s, 24h]
cache.organizations_ttl: [0s, 24h]
cache.capacity: [0B, 1TiB]
cache.max_body: [1B, 1GiB]
cache.max_inspect: [0B, 1GiB]
cache.inspect_buffer: [0B, 1TiB]
cache.fetch_buffer: [1B, 1TiB]
cache.quarantine: [0s, 1h]
cache.collapse_timeout: [0s, 1h]
cache.refresh_ahead: [0s, 24h]
throttle.max_wait: [0s, 1h]
throttle.max_stop: [1ms, 1h]
log.access_buffer: [4KiB, 1GiB]
{{- end }}

{{/* What the gateway takes for settings that are absent, as far as the rules below look at them. */}}
{{- define "chathub-gateway.program" -}}
cache.capacity: 64MiB
cache.max_body: 8MiB
cache.max_inspect: 1MiB
throttle.operator.rate: 5/s
throttle.operator.burst: "5"
throttle.login.rate: 1/s
throttle.login.burst: "5"
throttle.other.rate: 50/s
throttle.other.burst: "25"
throttle.upstream.burst: "20"
upstream.url: https://chatapi.smsbat.com
{{- end }}

{{/* What holds of a setting, as text: what is set, or else what the gateway takes. Takes the scope and the path. */}}
{{- define "chathub-gateway.inForce" -}}
{{- $path := index . 1 -}}
{{- $set := include "chathub-gateway.at" (list (include "chathub-gateway.settings" (index . 0) | fromYaml) $path) -}}
{{- $set | default (get (include "chathub-gateway.program" (index . 0) | fromYaml) $path) -}}
{{- end }}

{{- define "chathub-gateway.checkBounds" -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- range $path, $bounds := include "chathub-gateway.bounds" . | fromYaml -}}
{{- with include "chathub-gateway.at" (list $settings $path) -}}
{{- $reader := printf "chathub-gateway.%s" (ternary "bytes" "milliseconds" (hasSuffix "B" .)) -}}
{{- $value := int64 (include $reader .) -}}
{{- if or (lt $value (int64 (include $reader (first $bounds)))) (gt $value (int64 (include $reader (last $bounds)))) -}}
{{- fail (printf "settings.%s: %s must be between %s and %s" $path . (first $bounds) (last $bounds)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* The schema knows the shape of a URL, but not how much is too much. */}}
{{- define "chathub-gateway.checkUrl" -}}
{{- $url := include "chathub-gateway.inForce" (list . "upstream.url") -}}
{{- with regexFind ":[0-9]+/?$" $url | trimAll ":/" -}}
{{- $port := int64 (include "chathub-gateway.number" .) -}}
{{- if or (lt $port 1) (gt $port 65535) -}}
{{- fail (printf "settings.upstream.url: %s must have a port between 1 and 65535, or none" $url) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Files of which the first is of no use without the other. */}}
{{- define "chathub-gateway.checkFiles" -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- range list
  (list "server.tls_certificate" "server.tls_key") (list "server.tls_key" "server.tls_certificate")
  (list "server.tls_client_ca" "server.tls_certificate")
  (list "upstream.client_certificate" "upstream.client_key") (list "upstream.client_key" "upstream.client_certificate")
-}}
{{- $is_given := include "chathub-gateway.at" (list $settings (first .)) -}}
{{- if and $is_given (not (include "chathub-gateway.at" (list $settings (last .)))) -}}
{{- fail (printf "settings.%s: is of no use without settings.%s, which is absent" (first .) (last .)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Room for many must have room for the largest of them; without a store nothing must fit there. */}}
{{- define "chathub-gateway.checkRoom" -}}
{{- range list
  (list "cache.max_body" "cache.capacity") (list "cache.max_body" "cache.fetch_buffer") (list "cache.max_inspect" "cache.inspect_buffer")
-}}
{{- $largest := include "chathub-gateway.inForce" (list $ (first .)) -}}
{{- $room := include "chathub-gateway.inForce" (list $ (last .)) -}}
{{- $bytes := int64 (include "chathub-gateway.bytes" $room) -}}
{{- $is_needed := or (gt $bytes 0) (ne (last .) "cache.capacity") -}}
{{- if and $is_needed (gt (int64 (include "chathub-gateway.bytes" $largest)) $bytes) -}}
{{- fail (printf "settings.%s: %s must not be larger than settings.%s, which is %s; set either" (first .) $largest (last .) $room) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A burst must be regained within 24 hours. Periods are counted as the gateway does, in nanoseconds rounded up. */}}
{{- define "chathub-gateway.checkQuotas" -}}
{{- range $class := list "operator" "login" "other" "upstream" -}}
{{- $place := printf "throttle.%s" $class -}}
{{- with include "chathub-gateway.inForce" (list $ (printf "%s.rate" $place)) -}}
{{- $count := int64 (include "chathub-gateway.number" (regexFind "^[0-9]+" .)) -}}
{{- $seconds := get (dict "s" 1 "m" 60 "h" 3600) (regexFind "[smh]$" .) -}}
{{- if gt $count (mul 1000000 $seconds) -}}
{{- fail (printf "settings.%s.rate: %s must be at most 1000000/s" $place .) -}}
{{- end -}}
{{- $period := div (add (mul $seconds 1000000000) (sub $count 1)) $count -}}
{{- $most := div 86400000000000 $period -}}
{{- $burst := int64 (include "chathub-gateway.inForce" (list $ (printf "%s.burst" $place))) -}}
{{- if gt $burst $most -}}
{{- fail (printf "settings.%s.burst: %d takes more than 24h to regain at %s; at most %d, or a rate of %d/h" $place $burst . $most (div (add $burst 23) 24)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/*
Refuses what would be killed for its memory at the worst moment: the store and both buffers full, all connections open, and
as many waiting as may. The figures are measured: 20 KiB are a connection's, 30 KiB a request's that waits on one; 44 MiB are for the program
itself, content on its way, and what the allocator keeps.
*/}}
{{- define "chathub-gateway.checkMemory" -}}
{{- $given := dig "limits" "memory" "" .Values.resources -}}
{{- if $given -}}
{{- $limit := include "chathub-gateway.quantity" $given -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- $capacity := include "chathub-gateway.inForce" (list . "cache.capacity") -}}
{{- $inspected := $settings.cache.inspect_buffer -}}
{{- $fetched := $settings.cache.fetch_buffer -}}
{{- $connections := int64 $settings.server.max_connections -}}
{{- $waiting := int64 $settings.throttle.max_waiting -}}
{{- $kibibytes := add (mul 44 1024) (mul 20 $connections) (mul 30 $waiting) -}}
{{- $needed := mul 1024 $kibibytes -}}
{{- range list $capacity $inspected $fetched -}}
{{- $needed = add $needed (int64 (include "chathub-gateway.bytes" .)) -}}
{{- end -}}
{{- if lt (int64 (include "chathub-gateway.bytes" $limit)) $needed -}}
{{- $counted := printf "settings.cache.capacity (%s), cache.inspect_buffer (%s), cache.fetch_buffer (%s), server.max_connections (%d) and throttle.max_waiting (%d)" $capacity $inspected $fetched $connections $waiting -}}
{{- fail (printf "resources.limits.memory: %s is too little for %s: give it %dMi at least, or lower one of these" $limit $counted (div (add $needed 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Two listeners cannot have one number. */}}
{{- define "chathub-gateway.checkPorts" -}}
{{- $admin := int .Values.ports.admin -}}
{{- if eq (int .Values.ports.clients) $admin -}}
{{- fail (printf "ports.clients: %d is ports.admin too; give each its own" $admin) -}}
{{- end -}}
{{- end }}

{{- define "chathub-gateway.checkDrain" -}}
{{- $server := (include "chathub-gateway.settings" . | fromYaml).server -}}
{{- $delay := int64 (include "chathub-gateway.milliseconds" $server.drain_delay) -}}
{{- if le (int64 (include "chathub-gateway.milliseconds" $server.drain_deadline)) $delay -}}
{{- fail (printf "settings.server.drain_deadline: %s must be longer than settings.server.drain_delay, which is %s" $server.drain_deadline $server.drain_delay) -}}
{{- end -}}
{{- end }}

{{/*
Of two variables of one name Kubernetes takes the last without a word. And what sets the gateway stands under `settings`,
where all that is checked here looks: a variable goes before the file, past every check.
*/}}
{{- define "chathub-gateway.checkEnv" -}}
{{- $seen := dict "CHATHUB_GATEWAY_CONFIG" "the chart sets it" -}}
{{- range .Values.extraEnv -}}
{{- $name := .name -}}
{{- with get $seen $name -}}
{{- fail (printf "extraEnv: %s: %s; leave one of them out" $name .) -}}
{{- end -}}
{{- if hasPrefix "CHATHUB_GATEWAY__" $name -}}
{{- $path := trimPrefix "CHATHUB_GATEWAY__" $name | lower | replace "__" "." -}}
{{- fail (printf "extraEnv: %s: write it as settings.%s, or as what sets its address or file (listenHost, ports, secrets)" $name $path) -}}
{{- end -}}
{{- $_ := set $seen $name "it stands there twice" -}}
{{- end -}}
{{- end }}
