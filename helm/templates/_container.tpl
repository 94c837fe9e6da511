{{/*
The gateway's container and its volume: the same whether it stands in an application's pod template, is injected, or is
shared.

What a newcomer would get wrong: to give it a preStop hook. It knows SIGTERM: readiness falls, what is under way is
finished, and who comes within server.drain_delay is served. A native sidecar is told to stop only when the application
has ended, but its hook would run as the application's ending begins, and count against the pod's grace period.
*/}}

{{/* An application's pod template, native: the first of its initContainers. */}}
{{- define "chathub-gateway.initContainer" -}}
{{- if eq (include "chathub-gateway.style" .) "native" -}}
- {{ include "chathub-gateway.native" . | nindent 2 | trim }}
{{- end -}}
{{- end }}

{{/* The same without the dash, for the injection. */}}
{{- define "chathub-gateway.native" -}}
{{ include "chathub-gateway.gateway" . }}
restartPolicy: Always
{{- end }}

{{/*
An application's pod template, classic: the first of its containers, for the kubelet starts the next one only when this
one's postStart hook has succeeded.
*/}}
{{- define "chathub-gateway.container" -}}
{{- if eq (include "chathub-gateway.style" .) "classic" -}}
- {{ include "chathub-gateway.gateway" . | nindent 2 | trim }}
  lifecycle:
    postStart:
      exec:
        command: [/chathub-gateway, wait, --timeout, 60s]
{{- end -}}
{{- end }}

{{- define "chathub-gateway.gateway" -}}
name: chathub-gateway
image: {{ include "chathub-gateway.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
env:
  {{- include "chathub-gateway.environment" . | nindent 2 }}
ports:
  {{- if eq .Values.mode "shared" }}
  - name: chathub
    containerPort: {{ .Values.ports.clients }}
    protocol: TCP
  {{- end }}
  - name: chathub-admin
    containerPort: {{ .Values.ports.admin }}
    protocol: TCP
startupProbe:
  exec:
    command: [/chathub-gateway, probe, started]
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  exec:
    command: [/chathub-gateway, probe, live]
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  exec:
    command: [/chathub-gateway, probe, ready]
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- with .Values.resources }}
resources:
  {{- range $kind, $amounts := . }}
  {{ $kind }}:
    {{- range $name, $amount := $amounts }}
    {{ $name }}: {{ include "chathub-gateway.quantity" $amount | quote }}
    {{- end }}
  {{- end }}
{{- end }}
securityContext:
  {{- include "chathub-gateway.securityContext" . | nindent 2 }}
volumeMounts:
  - name: chathub-gateway
    mountPath: {{ include "chathub-gateway.directory" . }}
    readOnly: true
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{/*
The security contexts. The chart's own fields stand here and not in values.yaml: Helm forgets a null that an application's
values give for a default of a chart that it depends on.
*/}}
{{- define "chathub-gateway.securityContext" -}}
{{- $own := dict "readOnlyRootFilesystem" true "allowPrivilegeEscalation" false "capabilities" (dict "drop" (list "ALL")) -}}
{{- include "chathub-gateway.context" (list $own .Values.securityContext) -}}
{{- end }}

{{- define "chathub-gateway.podSecurityContext" -}}
{{- include "chathub-gateway.context" (list (dict "fsGroup" 65532) .Values.podSecurityContext) -}}
{{- end }}

{{/* What both have, what one has, and what is given; without what is null. */}}
{{- define "chathub-gateway.context" -}}
{{- $fields := dict "runAsNonRoot" true "runAsUser" 65532 "runAsGroup" 65532 "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{- range . -}}
{{- range $name, $value := . -}}
{{- $_ := set $fields $name (ternary (int64 $value) $value (kindIs "float64" $value)) -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $fields -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $fields $name -}}
{{- end -}}
{{- end -}}
{{- toYaml $fields -}}
{{- end }}

{{/*
The volumes: settings and secrets in one, so that all change at once. Everybody in the container may read them, and
nobody else mounts them; a narrower mode would need a group that is the application's pod's to choose.
*/}}
{{- define "chathub-gateway.volumes" -}}
- name: chathub-gateway
  projected:
    defaultMode: 0444
    sources:
      - configMap:
          name: {{ include "chathub-gateway.fullname" . }}
          items:
            - key: gateway.toml
              path: gateway.toml
      {{- with include "chathub-gateway.secretSources" .Values.secrets | trim }}
      {{- . | nindent 6 }}
      {{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "chathub-gateway.secretSources" -}}
{{- with .adminToken }}
{{- if .secretName }}
{{- include "chathub-gateway.source" (list "secret" .secretName (list (list .key "admin/token"))) }}
{{- end }}
{{- end }}
{{- with .serverTls }}
{{- if .secretName }}
{{- $items := list (list .certificate "server/tls.crt") (list .privateKey "server/tls.key") }}
{{- with .clientCa }}
{{- $items = append $items (list . "server/client-ca.crt") }}
{{- end }}
{{- include "chathub-gateway.source" (list "secret" .secretName $items) }}
{{- end }}
{{- end }}
{{- with .upstreamCa }}
{{- if and .configMapName .secretName }}
{{- fail "secrets.upstreamCa: give configMapName or secretName, not both" }}
{{- else if .configMapName }}
{{- include "chathub-gateway.source" (list "configMap" .configMapName (list (list .key "upstream/ca.crt"))) }}
{{- else if .secretName }}
{{- include "chathub-gateway.source" (list "secret" .secretName (list (list .key "upstream/ca.crt"))) }}
{{- end }}
{{- end }}
{{- with .upstreamClient }}
{{- if .secretName }}
{{- $items := list (list .certificate "upstream/tls.crt") (list .privateKey "upstream/tls.key") }}
{{- include "chathub-gateway.source" (list "secret" .secretName $items) }}
{{- end }}
{{- end }}
{{- with .credentials }}
{{- if .secretName }}
{{- $items := list (list .key "credentials/credentials.toml") }}
{{- range .tokens }}
{{- $items = append $items (list . (printf "credentials/%s" .)) }}
{{- end }}
{{- include "chathub-gateway.source" (list "secret" .secretName $items) }}
{{- end }}
{{- end }}
{{- end }}

{{/* One source of the volume: its kind, its name, and keys with their paths. */}}
{{- define "chathub-gateway.source" }}
- {{ index . 0 }}:
    name: {{ index . 1 | quote }}
    items:
      {{- range index . 2 }}
      - key: {{ index . 0 | quote }}
        path: {{ index . 1 | quote }}
      {{- end }}
{{- end }}

{{/* An entry of the application's env. */}}
{{- define "chathub-gateway.env" -}}
{{- with .Values.baseUrlVariable -}}
- name: {{ . }}
  value: {{ include "chathub-gateway.baseUrl" $ | quote }}
{{- end -}}
{{- end }}

{{/* The same for a Job's application, which must end a classic sidecar itself. */}}
{{- define "chathub-gateway.jobEnv" -}}
{{- include "chathub-gateway.env" . -}}
{{- if eq (include "chathub-gateway.style" .) "classic" }}
- name: CHATHUB_GATEWAY_QUIT_URL
  value: {{ printf "http://127.0.0.1:%d/quit?now" (int .Values.ports.admin) | quote }}
{{- with .Values.secrets.adminToken }}
{{- if .secretName }}
- name: CHATHUB_GATEWAY_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ .secretName | quote }}
      key: {{ .key | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- end }}

{{/* The gateway's address as applications have it. */}}
{{- define "chathub-gateway.baseUrl" -}}
{{- $scheme := ternary "https" "http" (ne .Values.secrets.serverTls.secretName "") -}}
{{- if eq .Values.mode "sidecar" -}}
{{- printf "%s://127.0.0.1:%d" $scheme (int .Values.ports.clients) -}}
{{- else -}}
{{- printf "%s://%s:%d" $scheme (include "chathub-gateway.fullname" .) (int .Values.service.port) -}}
{{- end -}}
{{- end }}

{{/* Entries of an application's spec.imagePullSecrets: a pod's containers are all pulled with those of the pod. */}}
{{- define "chathub-gateway.imagePullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
{{- toYaml . -}}
{{- end -}}
{{- end }}

{{/* The same as other namespaces have it. */}}
{{- define "chathub-gateway.distantUrl" -}}
{{- $name := include "chathub-gateway.fullname" . -}}
{{- include "chathub-gateway.baseUrl" . | replace (printf "//%s:" $name) (printf "//%s.%s:" $name .Release.Namespace) -}}
{{- end }}

{{/* Labels of an application's pods. */}}
{{- define "chathub-gateway.podLabels" -}}
chathub-gateway/release: {{ include "chathub-gateway.fullname" . }}
{{- end }}

{{/* Annotations of an application's pods. */}}
{{- define "chathub-gateway.podAnnotations" -}}
chathub-gateway/restart: {{ include "chathub-gateway.restartDigest" . | quote }}
{{- end }}
