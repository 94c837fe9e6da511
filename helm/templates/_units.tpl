{{/*
Durations of the gateway and sizes of both the gateway and Kubernetes, as numbers. What a newcomer would get wrong: the two
write the same size differently, 64MiB and 64Mi.
*/}}

{{/* Milliseconds of a duration such as 1m30s. */}}
{{- define "chathub-gateway.milliseconds" -}}
{{- $milliseconds := 0 -}}
{{- range regexFindAll "[0-9]+[a-z]+" . -1 -}}
{{- $length := get (dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1) (regexFind "[a-z]+" .) -}}
{{- $milliseconds = add $milliseconds (mul (int64 (include "chathub-gateway.number" (regexFind "[0-9]+" .))) $length) -}}
{{- end -}}
{{- $milliseconds -}}
{{- end }}

{{/* Whole seconds of a duration, rounded up. */}}
{{- define "chathub-gateway.seconds" -}}
{{- div (add (int64 (include "chathub-gateway.milliseconds" .)) 999) 1000 -}}
{{- end }}

{{/*
Digits as int64 reads them: without zeros in front, by which it would take them for octal, and so few that an hour's length
can be multiplied by them. What is cut off here is beyond every bound.
*/}}
{{- define "chathub-gateway.number" -}}
{{- $digits := regexReplaceAll "^0+" . "" | default "0" -}}
{{- ternary "999999999999" $digits (gt (len $digits) 12) -}}
{{- end }}

{{/* An amount as Kubernetes writes it; Helm reads a bare number as a fraction, and would print 5e+08. */}}
{{- define "chathub-gateway.quantity" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end }}

{{/* Bytes of a size such as 64MiB, 64Mi, 64M, 0.5Gi, 5e8 or 64; of a part of a byte, none. */}}
{{- define "chathub-gateway.bytes" -}}
{{- $text := toString . -}}
{{- $number := regexFind "^[0-9]*[.]?[0-9]*([eE][-+]?[0-9]+)?" $text -}}
{{- $unit := trimPrefix $number $text -}}
{{- $power := trimSuffix "B" $unit -}}
{{- $powers := dict "" 0 "K" 1 "k" 1 "M" 2 "G" 3 "T" 4 "P" 5 "E" 6 "Ki" 1 "Mi" 2 "Gi" 3 "Ti" 4 "Pi" 5 "Ei" 6 -}}
{{- if not (and (regexMatch "[0-9]" $number) (hasKey $powers $power)) -}}
{{- fail (printf "resources.limits.memory: %s is not written with Ki, Mi, Gi, Ti, k, M, G or T" $text) -}}
{{- end -}}
{{- $bytes := float64 $number -}}
{{- range until (int (get $powers $power)) -}}
{{- $bytes = mulf $bytes (ternary 1024 1000 (hasSuffix "i" $power)) -}}
{{- end -}}
{{- /* No more than int64 holds. */ -}}
{{- printf "%.0f" (minf (floor $bytes) 1000000000000000000.0) -}}
{{- end }}
