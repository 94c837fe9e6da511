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
      {{ ternary "initContainers" "containers" (eq (include "chathub-gateway.style" .) "native") }}:
        {{ "{{" }}- include "chathub-gateway.{{ ternary "initContainer" "container" (eq (include "chathub-gateway.style" .) "native") }}" $gateway | nindent 8 }}
      volumes:
        {{ "{{" }}- include "chathub-gateway.volumes" $gateway | nindent 8 }}

Without the labels a PodMonitor finds none of its pods; without the annotation settings that wait for a restart wait for
the application's next rollout.
{{- with .Values.baseUrlVariable }}

The application finds it at {{ include "chathub-gateway.baseUrl" $ }}, by the variable {{ . }} if its env includes
"chathub-gateway.env".
{{- end }}
{{- end }}
