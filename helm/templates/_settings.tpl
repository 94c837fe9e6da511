{{/*
The gateway's settings as a TOML file: those of `settings`, and what the chart itself knows.

What a newcomer would get wrong: Helm reads every number of a values file as a fraction, and its toToml prints 5 as 5.0,
which the gateway refuses. So this writes the sections itself; what stands in them (words, whole numbers, switches, lists)
TOML writes as JSON does.
*/}}

{{/* Where the volume is mounted. A directory, for a mounted file would never change. */}}
{{- define "chathub-gateway.directory" -}}
/etc/chathub-gateway
{{- end }}

{{/* All settings, as YAML. */}}
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

{{/* The file. */}}
{{- define "chathub-gateway.toml" -}}
{{- include "chathub-gateway.checkMemory" . -}}
{{- include "chathub-gateway.checkPorts" . -}}
{{- include "chathub-gateway.checkDrain" . -}}
# Written by the chart from its value `settings`: change it there.
{{- range $section, $entries := include "chathub-gateway.settings" . | fromYaml }}
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
A digest of the settings that wait for a restart, as an annotation of pods: they are replaced when one of these changes,
and only then.
*/}}
{{- define "chathub-gateway.restartDigest" -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- $awaiting := list -}}
{{- range $path := list
  "server.listen" "server.workers" "server.share_port" "server.tls_certificate" "server.tls_key" "server.tls_client_ca"
  "admin.listen" "upstream.url" "upstream.warm" "cache.capacity" "log.format" "log.access_buffer"
-}}
{{- $parts := splitList "." $path -}}
{{- $value := get (default dict (get $settings (first $parts))) (last $parts) -}}
{{- $awaiting = append $awaiting (printf "%s=%v" $path $value) -}}
{{- end -}}
{{- join "\n" $awaiting | sha256sum | trunc 16 -}}
{{- end }}

{{/*
Refuses what would be killed for its memory at the worst moment: the store full, all connections open, and as many waiting
as may. The figures are measured: 20 KiB are a connection's, 30 KiB a request's that waits on one; 44 MiB are for the program
itself, content on its way, and what the allocator keeps.
*/}}
{{- define "chathub-gateway.checkMemory" -}}
{{- $limit := dig "limits" "memory" "" .Values.resources -}}
{{- if $limit -}}
{{- $settings := include "chathub-gateway.settings" . | fromYaml -}}
{{- $capacity := dig "cache" "capacity" "64MiB" .Values.settings -}}
{{- $connections := int64 $settings.server.max_connections -}}
{{- $waiting := int64 $settings.throttle.max_waiting -}}
{{- $kibibytes := add (mul 44 1024) (mul 20 $connections) (mul 30 $waiting) -}}
{{- $needed := add (int64 (include "chathub-gateway.bytes" $capacity)) (mul 1024 $kibibytes) -}}
{{- if lt (int64 (include "chathub-gateway.bytes" $limit)) $needed -}}
{{- $counted := printf "settings.cache.capacity (%s), server.max_connections (%d) and throttle.max_waiting (%d)" $capacity $connections $waiting -}}
{{- fail (printf "resources.limits.memory: %v is too little for %s: give it %dMi at least, or lower one of these" $limit $counted (div (add $needed 1048575) 1048576)) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Two listeners, or two ports of the Service, cannot have one number. */}}
{{- define "chathub-gateway.checkPorts" -}}
{{- $admin := int .Values.ports.admin -}}
{{- if eq (int .Values.ports.clients) $admin -}}
{{- fail (printf "ports.clients: %d is ports.admin too; give each its own" $admin) -}}
{{- end -}}
{{- if and (eq .Values.mode "shared") (eq (int .Values.service.port) $admin) -}}
{{- fail (printf "service.port: %d is ports.admin too, which is also a port of the Service; give each its own" $admin) -}}
{{- end -}}
{{- end }}

{{/* The gateway refuses it too, but only in the pod. */}}
{{- define "chathub-gateway.checkDrain" -}}
{{- $server := (include "chathub-gateway.settings" . | fromYaml).server -}}
{{- $delay := int64 (include "chathub-gateway.milliseconds" $server.drain_delay) -}}
{{- if le (int64 (include "chathub-gateway.milliseconds" $server.drain_deadline)) $delay -}}
{{- fail (printf "settings.server.drain_deadline: %s must be longer than settings.server.drain_delay, which is %s" $server.drain_deadline $server.drain_delay) -}}
{{- end -}}
{{- end }}
