{{/*
Durations of the gateway and sizes of both the gateway and Kubernetes, as numbers. What a newcomer would get wrong: the two
write the same size differently, 64MiB and 64Mi.
*/}}

{{/* Milliseconds of a duration such as 1m30s. */}}
{{- define "chathub-gateway.milliseconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $length := get (dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1) (regexFind "[a-z]+" .) -}}
{{- $milliseconds = add $milliseconds (mul (int64 (regexFind "[0-9]+" .)) $length) -}}
{{- end -}}
{{- $milliseconds -}}
{{- end }}

{{/* Whole seconds of a duration, rounded up. */}}
{{- define "chathub-gateway.seconds" -}}
{{- div (add (int64 (include "chathub-gateway.milliseconds" .)) 999) 1000 -}}
{{- end }}

{{/* Bytes of a size such as 64MiB, 64Mi, 64M or 64; of a fraction, those of its whole part. */}}
{{- define "chathub-gateway.bytes" -}}
{{- $text := toString . -}}
{{- $unit := regexFind "[A-Za-z]*$" $text | trimSuffix "B" -}}
{{- $powers := dict "" 0 "K" 1 "k" 1 "M" 2 "G" 3 "T" 4 "Ki" 1 "Mi" 2 "Gi" 3 "Ti" 4 -}}
{{- if not (hasKey $powers $unit) -}}
{{- fail (printf "resources.limits.memory: %s is not written with Ki, Mi, Gi, Ti, k, M, G or T" $text) -}}
{{- end -}}
{{- $bytes := int64 (regexFind "^[0-9]+" $text) -}}
{{- range until (int (get $powers $unit)) -}}
{{- $bytes = mul $bytes (ternary 1024 1000 (hasSuffix "i" $unit)) -}}
{{- end -}}
{{- $bytes -}}
{{- end }}
