{{/*
Names and labels. What a newcomer would get wrong: selectorLabels are for good, a Deployment's cannot be changed; so
nothing that may ever change stands in them.
*/}}

{{- define "chathub-gateway.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* A release that bears the chart's name is not named twice. */}}
{{- define "chathub-gateway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "chathub-gateway.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "chathub-gateway.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "chathub-gateway.selectorLabels" -}}
app.kubernetes.io/name: {{ include "chathub-gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of `helm test`'s pod. Not those above, or the Service would send it requests. */}}
{{- define "chathub-gateway.testLabels" -}}
app.kubernetes.io/name: {{ include "chathub-gateway.name" . }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/*
Where pods with the gateway are, as a YAML list. The settings must be in each, for a pod mounts only what is in its own.
*/}}
{{- define "chathub-gateway.namespaces" -}}
{{- $namespaces := list .Release.Namespace -}}
{{- if and (eq .Values.mode "sidecar") .Values.injection.enabled -}}
{{- $namespaces = .Values.injection.namespaces | default $namespaces | uniq -}}
{{- end -}}
{{- toYaml $namespaces -}}
{{- end }}

{{- define "chathub-gateway.serviceAccountName" -}}
{{- $default := ternary (include "chathub-gateway.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $default .Values.serviceAccount.name -}}
{{- end }}

{{/* The image: by digest if there is one, which names what was tested, else by tag. */}}
{{- define "chathub-gateway.image" -}}
{{- with .Values.image -}}
{{- with .registry }}{{ . }}/{{ end }}{{ .repository }}
{{- with .digest }}@{{ . }}{{ end }}
{{- if not .digest }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{/* An address with a port, as the settings have it. */}}
{{- define "chathub-gateway.address" -}}
{{- $host := ternary (printf "[%s]" .host) .host (contains ":" .host) -}}
{{- printf "%s:%d" $host (int .port) -}}
{{- end }}

{{/* The Service of the operators' port, where there is one. */}}
{{- define "chathub-gateway.adminName" -}}
{{- include "chathub-gateway.fullname" . | trunc 57 | trimSuffix "-" }}-admin
{{- end }}

{{/*
How a sidecar is built, native or classic; empty if the gateway is shared. Whoever can inject has native ones, also where
Helm is told of no cluster and takes an old one for granted.
*/}}
{{- define "chathub-gateway.style" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- if ne .Values.sidecar.style "auto" -}}
{{- .Values.sidecar.style -}}
{{- else if or .Values.injection.enabled (semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version) -}}
native
{{- else -}}
classic
{{- end -}}
{{- end -}}
{{- end }}
