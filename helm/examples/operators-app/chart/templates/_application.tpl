{{/*
What Deployment and Job share: the pod, with the gateway in it.

What a newcomer would get wrong: to look whether the gateway is there by its values. It is in .Subcharts if it is enabled,
and that is the scope that its templates want.
*/}}

{{/* A pod's spec. Takes "root", and "isJob". */}}
{{- define "operators-app.pod" -}}
{{- $gateway := index .root.Subcharts "chathub-gateway" -}}
restartPolicy: {{ ternary "Never" "Always" .isJob }}
automountServiceAccountToken: false
# Time for the application to end, then for the gateway.
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- $secrets := .root.Values.imagePullSecrets -}}
{{- if $gateway -}}
{{- $secrets = include "chathub-gateway.imagePullSecrets" $gateway | fromYamlArray | concat $secrets | uniq -}}
{{- end }}
{{- with $secrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if $gateway }}
{{- with include "chathub-gateway.initContainer" $gateway }}
initContainers:
  {{- . | nindent 2 }}
{{- end }}
{{- end }}
containers:
  {{- if $gateway }}
  {{- with include "chathub-gateway.container" $gateway }}
  {{- . | nindent 2 }}
  {{- end }}
  {{- end }}
  - {{ include "operators-app.container" (dict "root" .root "isJob" .isJob "gateway" $gateway) | nindent 4 | trim }}
{{- if $gateway }}
volumes:
  {{- include "chathub-gateway.volumes" $gateway | nindent 2 }}
{{- end }}
{{- end }}

{{- define "operators-app.container" -}}
{{- $values := .root.Values -}}
name: operators-app
image: {{ printf "%s:%s" $values.image.repository (default .root.Chart.AppVersion $values.image.tag) | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
command: [python3, /app/app.py]
{{- if .isJob }}
args: [--once]
{{- end }}
env:
  {{- if .gateway }}
  {{- include (ternary "chathub-gateway.jobEnv" "chathub-gateway.env" .isJob) .gateway | nindent 2 }}
  {{- end }}
  - name: ORGANIZATIONS
    value: {{ join "," $values.organizations | quote }}
  - name: POLL_SECONDS
    value: {{ $values.pollSeconds | quote }}
  {{- with $values.credential }}
  {{- if .secretName }}
  - name: CHATHUB_KEY
    valueFrom:
      secretKeyRef:
        name: {{ .secretName }}
        key: {{ .key }}
  {{- end }}
  {{- end }}
{{- if not .isJob }}
ports:
  - name: http
    containerPort: 8000
    protocol: TCP
readinessProbe:
  httpGet:
    path: /healthz
    port: http
  periodSeconds: 5
{{- end }}
resources:
  {{- toYaml $values.resources | nindent 2 }}
securityContext:
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities:
    drop: [ALL]
{{- end }}

{{- define "operators-app.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* A pod's labels and annotations. Takes "root" and "component". */}}
{{- define "operators-app.podMetadata" -}}
{{- $gateway := index .root.Subcharts "chathub-gateway" -}}
labels:
  {{- include "operators-app.selectorLabels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .component }}
  {{- if $gateway }}
  {{- include "chathub-gateway.podLabels" $gateway | nindent 2 }}
  {{- end }}
annotations:
  # The gateway may stand first among the containers; logs and exec are to mean the application.
  kubectl.kubernetes.io/default-container: operators-app
  {{- if $gateway }}
  {{- include "chathub-gateway.podAnnotations" $gateway | nindent 2 }}
  {{- end }}
{{- end }}
