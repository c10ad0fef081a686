{{- define "nodetender.podSecurityContext" -}}
{{- $context := dict "seccompProfile" (dict "type" "RuntimeDefault") -}}
{{ toYaml (mergeOverwrite $context (deepCopy (.Values.podSecurityContext | default dict))) }}
{{- end -}}

{{/* Root, because the sockets of the runtime and of the bus ask for it, and nothing that root usually may. */}}
{{- define "nodetender.securityContext" -}}
{{- $host := include "nodetender.host" . | fromYaml -}}
{{- $context := dict "runAsUser" 0 "runAsGroup" 0 "readOnlyRootFilesystem" true -}}
{{- if $host.privileged -}}
{{- $_ := set $context "privileged" true -}}
{{- else -}}
{{- $_ := set $context "allowPrivilegeEscalation" false -}}
{{- $_ := set $context "capabilities" (dict "drop" (list "ALL")) -}}
{{- if and $host.rebootEnabled (include "nodetender.hasAppArmorField" .) -}}
{{- /* A runtime's default profile forbids the system bus, and signals to processes without a profile such as PID 1. */}}
{{- $_ := set $context "appArmorProfile" (dict "type" "Unconfined") -}}
{{- end -}}
{{- end -}}
{{ toYaml (mergeOverwrite $context (deepCopy (.Values.securityContext | default dict))) }}
{{- end -}}

{{- define "nodetender.hasAppArmorField" -}}
{{- if semverCompare ">=1.30.0-0" .Capabilities.KubeVersion.Version -}}true{{- end -}}
{{- end -}}
