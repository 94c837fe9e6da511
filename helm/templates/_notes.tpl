{{/*
What is said after an installation. Helm does not print the notes of a chart that another depends on; an application's
NOTES.txt includes these.
*/}}
{{- define "chathub-gateway.notes" -}}
{{- if eq .Values.mode "shared" -}}
{{- include "chathub-gateway.notes.shared" . -}}
{{- else if .Values.injection.enabled -}}
{{- include "chathub-gateway.notes.injection" . -}}
{{- else -}}
{{- include "chathub-gateway.notes.sidecar" . -}}
{{- end }}

Settings are checked in the cluster by:

  helm test {{ .Release.Name }} --namespace {{ .Release.Namespace }}
{{- if not .Values.secrets.adminToken.secretName }}

Without secrets.adminToken only loopback may purge: kubectl port-forward to a pod's port {{ .Values.ports.admin }} first.
{{- end }}
{{- with .Values.monitoring.prometheusRule }}
{{- if and .enabled (not .runbookUrl) }}

The alerts' links to their runbooks lead nowhere: set monitoring.prometheusRule.runbookUrl to the page where yours are.
{{- end }}
{{- end }}
{{- end }}

{{- define "chathub-gateway.notes.shared" -}}
{{- $name := include "chathub-gateway.fullname" . -}}
{{- $replicas := ternary .Values.autoscaling.maxReplicas .Values.replicas .Values.autoscaling.enabled | int -}}
chathub-gateway is at {{ include "chathub-gateway.baseUrl" . }} in namespace {{ .Release.Namespace }}: give applications that base URL.
Those of other namespaces have it at {{ include "chathub-gateway.distantUrl" . }}
{{- if .Values.networkPolicy.enabled }}, and
{{ if .Values.networkPolicy.clients }}may use it if networkPolicy.clients names them: by namespaceSelector and podSelector in one peer{{ else }}may not use it until networkPolicy.clients names them, beside this namespace's pods: all others are kept away{{ end }}
{{- end }}.
Metrics and health are at {{ include "chathub-gateway.adminName" . }}:{{ .Values.ports.admin }}, which is never published.

  kubectl rollout status deployment/{{ $name }} --namespace {{ .Release.Namespace }}
{{- if gt $replicas 1 }}

WARNING: up to {{ $replicas }} replicas, which share neither cache nor quotas. ChatHub sees up to {{ $replicas }} times each rate: divide the
rates in settings.throttle by {{ $replicas }}. A write through one replica is seen by readers of another only when their list's
lifetime ends (cache.operators_ttl, 60s by default).
{{- end }}
{{- if not .Values.secrets.serverTls.secretName }}

Credentials of ChatHub go to it through the cluster's network in the clear; secrets.serverTls gives it a certificate.
{{- end }}
{{- end }}

{{- define "chathub-gateway.notes.injection" -}}
Pods created from now on with the label {{ .Values.injection.label }}: "true" get chathub-gateway as a sidecar
{{- with .Values.baseUrlVariable }}, and its
address in {{ . }} (init containers of their own do not){{ end }}. In these namespaces, which must exist:

  {{ include "chathub-gateway.namespaces" . | fromYamlArray | join ", " }}

For pods that a Deployment has made already:

  kubectl patch deployment NAME --patch '{"spec":{"template":{"metadata":{"labels":{ {{- .Values.injection.label | toRawJson }}:"true"}}}}}'
{{ with .Values.baseUrlVariable }}
A container that takes {{ . }} from elsewhere (valueFrom) keeps it, and goes past the gateway unless it has the
gateway's address, {{ include "chathub-gateway.baseUrl" $ }}, from there.
{{- end }}
The gateway ends in what an application leaves of its pod's terminationGracePeriodSeconds (30 by default).

Each of these namespaces has the settings in ConfigMap {{ include "chathub-gateway.fullname" . }}.
Secrets that are named in `secrets` must be there too, or the pods do not start.
{{- end }}

{{- define "chathub-gateway.notes.sidecar" -}}
chathub-gateway's settings are in ConfigMap {{ include "chathub-gateway.fullname" . }}.
Its container is {{ include "chathub-gateway.style" . }} and stands in the pod template of the application that includes it:

  {{ "{{" }}- $gateway := index .Subcharts "chathub-gateway" }}
  template:
    metadata:
      labels:
        {{ "{{" }}- include "chathub-gateway.podLabels" $gateway | nindent 8 }}
      annotations:
        {{ "{{" }}- include "chathub-gateway.podAnnotations" $gateway | nindent 8 }}
    spec:
      imagePullSecrets:
        {{ "{{" }}- include "chathub-gateway.imagePullSecrets" $gateway | nindent 8 }}
      initContainers:
        {{ "{{" }}- include "chathub-gateway.initContainer" $gateway | nindent 8 }}
      containers:
        {{ "{{" }}- include "chathub-gateway.container" $gateway | nindent 8 }}
      volumes:
        {{ "{{" }}- include "chathub-gateway.volumes" $gateway | nindent 8 }}

Include both containers: the one that its style has not renders nothing, and for another cluster the style may be another.
Without the labels a PodMonitor finds none of its pods; without the annotation settings that wait for a restart wait for
the application's next rollout.
{{- with .Values.baseUrlVariable }}

The application finds it at {{ include "chathub-gateway.baseUrl" $ }}, by the variable {{ . }} if its env includes
"chathub-gateway.env".
{{- end }}
{{- end }}
