{{/*
What a YAML value is in CEL, so that the injected container is made of the same template as the included one.

What a newcomer would get wrong: a map in CEL has values of one type, so an object of Kubernetes cannot be written as one.
It is written with the type of its place, Object.spec.initContainers.env{name: …}; maps of words alone, such as limits
and labels, stay maps.
*/}}

{{/* Takes "value" and "type", the type of its place. */}}
{{- define "chathub-gateway.cel" -}}
{{- $type := .type -}}
{{- $parts := list -}}
{{- if kindIs "map" .value -}}
{{- $isMap := has (splitList "." $type | last) (list "limits" "requests" "volumeAttributes" "labels" "annotations" "matchLabels") -}}
{{- range $name, $value := .value -}}
{{- $written := include "chathub-gateway.cel" (dict "value" $value "type" (printf "%s.%s" $type $name)) -}}
{{- $parts = append $parts (printf "%s: %s" (ternary (toRawJson $name) $name $isMap) $written) -}}
{{- end -}}
{{- ternary "" $type $isMap }}{{ printf "{%s}" (join ", " $parts) -}}
{{- else if kindIs "slice" .value -}}
{{- range .value -}}
{{- $parts = append $parts (include "chathub-gateway.cel" (dict "value" . "type" $type)) -}}
{{- end -}}
{{- printf "[%s]" (join ", " $parts) -}}
{{- else if kindIs "float64" .value -}}
{{- int64 .value -}}
{{- else -}}
{{- toRawJson .value -}}
{{- end -}}
{{- end }}
