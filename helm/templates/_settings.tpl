{{/*
The gateway's settings, those of `settings` and what the chart itself knows: as a TOML file, and as variables of the
container what belongs to the pod's shape (`chathub-gateway.shape`).

What a newcomer would get wrong: Helm reads every number of a values file as a fraction, and its toToml prints 5 as 5.0,
which the gateway refuses. So this writes the sections itself; what stands in them (words, whole numbers, switches, lists)
TOML writes as JSON does.
*/}}

{{/* Where the volume is mounted. A directory, for a mounted file would never change. */}}
{{- define "chathub-gateway.directory" -}}
/etc/chathub-gateway
{{- end }}

{{/* All settings, those of the file and those of the container, as YAML. */}}
{{- define "chathub-gateway.settings" -}}
{{- $own := deepCopy .Values.settings -}}
{{- $files := include "chathub-gateway.files" . | fromYaml -}}
{{- range $section, $entries := $files -}}
{{- range $name, $file := $entries -}}
{{- if hasKey (default dict (get $own $section)) $name -}}
{{- fail (printf "settings.%s.%s: values under `secrets` set it too; leave one of them out" $section $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml (mustMergeOverwrite (include "chathub-gateway.defaults" . | fromYaml) $files $own) -}}
{{- end }}

{{/* What holds in this mode unless `settings` says otherwise; and the addresses, of which it can say nothing. */}}
{{- define "chathub-gateway.defaults" -}}
{{- $style := include "chathub-gateway.style" . -}}
server:
  listen: {{ include "chathub-gateway.address" (dict "host" (ternary "127.0.0.1" .Values.listenHost (ne $style "")) "port" .Values.ports.clients) | quote }}
  workers: {{ ternary 1 2 (ne $style "") }}
  drain_delay: {{ get (dict "native" "0s" "classic" "10s" "" "5s") $style }}
  drain_deadline: 25s
  max_connections: {{ ternary 1000 2000 (ne $style "") }}
throttle:
  max_waiting: 1000
cache:
  inspect_buffer: 4MiB
  fetch_buffer: 8MiB
admin:
  listen: {{ include "chathub-gateway.address" (dict "host" .Values.listenHost "port" .Values.ports.admin) | quote }}
{{- end }}

{{/* The settings that name a file of `secrets`. */}}
{{- define "chathub-gateway.files" -}}
{{- $directory := include "chathub-gateway.directory" . -}}
{{- $secrets := .Values.secrets -}}
{{- $server := dict -}}
{{- $upstream := dict -}}
{{- $files := dict "server" $server "upstream" $upstream -}}
{{- if $secrets.serverTls.secretName -}}
{{- $_ := set $server "tls_certificate" (printf "%s/server/tls.crt" $directory) -}}
{{- $_ := set $server "tls_key" (printf "%s/server/tls.key" $directory) -}}
{{- if $secrets.serverTls.clientCa -}}
{{- $_ := set $server "tls_client_ca" (printf "%s/server/client-ca.crt" $directory) -}}
{{- end -}}
{{- end -}}
{{- if $secrets.adminToken.secretName -}}
{{- $_ := set $files "admin" (dict "token_file" (printf "%s/admin/token" $directory)) -}}
{{- end -}}
{{- if or $secrets.upstreamCa.configMapName $secrets.upstreamCa.secretName -}}
{{- $_ := set $upstream "ca_file" (printf "%s/upstream/ca.crt" $directory) -}}
{{- end -}}
{{- if $secrets.upstreamClient.secretName -}}
{{- $_ := set $upstream "client_certificate" (printf "%s/upstream/tls.crt" $directory) -}}
{{- $_ := set $upstream "client_key" (printf "%s/upstream/tls.key" $directory) -}}
{{- end -}}
{{- if $secrets.credentials.secretName -}}
{{- $_ := set $files "throttle" (dict "credentials_file" (printf "%s/credentials/credentials.toml" $directory)) -}}
{{- end -}}
{{- toYaml $files -}}
{{- end }}

{{/*
The settings that belong to a pod's shape: the ports that its probes ask at, and the files that are mounted. They are
variables of the container, which go before the file. The file is shared, and an upgrade changes it under pods that still
have the shape of before: those would read of files that they do not have.
*/}}
{{- define "chathub-gateway.shape" -}}
- server.listen
- server.tls_certificate
- server.tls_key
- server.tls_client_ca
- admin.listen
- admin.token_file
- upstream.ca_file
- upstream.client_certificate
- upstream.client_key
- throttle.credentials_file
{{- end }}

{{/* The variable of a setting. */}}
{{- define "chathub-gateway.variable" -}}
{{- printf "CHATHUB_GATEWAY__%s" (replace "." "__" . | upper) -}}
{{- end }}

{{/* The variables of the container. The subcommands of the probes find the gateway by them, too. */}}
{{- define "chathub-gateway.environment" -}}
- name: CHATHUB_GATEWAY_CONFIG
  value: {{ include "chathub-gateway.directory" . }}/gateway.toml
{{- include "chathub-gateway.shapeEnv" . }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "chathub-gateway.shapeEnv" -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- range $path := include "chathub-gateway.shape" . | fromYamlArray }}
{{- with include "chathub-gateway.at" (list $settings $path) }}
- name: {{ include "chathub-gateway.variable" $path }}
  value: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* The settings of the file, as YAML: all but those of the shape. */}}
{{- define "chathub-gateway.fileSettings" -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- range include "chathub-gateway.shape" . | fromYamlArray -}}
{{- $parts := splitList "." . -}}
{{- with get $settings (first $parts) -}}
{{- $_ := unset . (last $parts) -}}
{{- end -}}
{{- end -}}
{{- toYaml $settings -}}
{{- end }}

{{/* What stands at a path, as text; empty: nothing. Takes a list of the settings and the path. */}}
{{- define "chathub-gateway.at" -}}
{{- $found := index . 0 -}}
{{- range splitList "." (index . 1) -}}
{{- $found = get (default dict $found) . -}}
{{- end -}}
{{- if kindIs "float64" $found -}}
{{- int64 $found -}}
{{- else if not (kindIs "invalid" $found) -}}
{{- $found -}}
{{- end -}}
{{- end }}

{{/* The file. */}}
{{- define "chathub-gateway.toml" -}}
{{- include "chathub-gateway.check" . -}}
# Written by the chart from its value `settings`: change it there.
{{- range $section, $entries := include "chathub-gateway.fileSettings" . | fromYaml }}
{{- include "chathub-gateway.toml.section" (dict "path" $section "entries" $entries) }}
{{- end }}
{{- end }}

{{/* A section, then those within it: in TOML what stands behind a section's name belongs to it. */}}
{{- define "chathub-gateway.toml.section" -}}
{{- $scalars := dict -}}
{{- $sections := dict -}}
{{- range $name, $value := .entries -}}
{{- if kindIs "map" $value -}}
{{- $_ := set $sections $name $value -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $_ := set $scalars $name $value -}}
{{- end -}}
{{- end -}}
{{- if $scalars }}

[{{ .path }}]
{{- range $name, $value := $scalars }}
{{ $name }} = {{ toRawJson $value }}
{{- end }}
{{- end }}
{{- range $name, $entries := $sections }}
{{- include "chathub-gateway.toml.section" (dict "path" (printf "%s.%s" $.path $name) "entries" $entries) }}
{{- end }}
{{- end }}

{{/*
The settings that wait for a restart. Those of the shape do too, but a change of them is a change of the container, which
replaces the pods by itself.
*/}}
{{- define "chathub-gateway.awaiting" -}}
- server.workers
- server.share_port
- upstream.url
- upstream.warm
- cache.capacity
- log.format
- log.access_buffer
{{- end }}

{{/* A digest of them, as an annotation of pods: they are replaced when one of these changes, and only then. */}}
{{- define "chathub-gateway.restartDigest" -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- $awaiting := list -}}
{{- range $path := include "chathub-gateway.awaiting" . | fromYamlArray -}}
{{- $awaiting = append $awaiting (printf "%s=%s" $path (include "chathub-gateway.at" (list $settings $path))) -}}
{{- end -}}
{{- join "\n" $awaiting | sha256sum | trunc 16 -}}
{{- end }}
