{{- define "nodetender.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the DaemonSet and of most else: the release's, with the chart's where it does not contain it. */}}
{{- define "nodetender.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "nodetender.name" . -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "nodetender.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "nodetender.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* What pods are found by. These never change: a DaemonSet's selector cannot. */}}
{{- define "nodetender.selectorLabels" -}}
app.kubernetes.io/name: nodetender
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "nodetender.labels" -}}
{{ include "nodetender.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Those and others, which win: a key that stood twice is refused by kustomize. */}}
{{- define "nodetender.labelsAnd" -}}
{{ toYaml (mergeOverwrite (include "nodetender.labels" (first .) | fromYaml) (last . | default dict)) }}
{{- end -}}

{{/* As with labels, but for what the chart alone knows. */}}
{{- define "nodetender.podAnnotations" -}}
{{- $host := include "nodetender.host" . | fromYaml -}}
{{- $annotations := dict "kubectl.kubernetes.io/default-container" "agent" -}}
{{- if and $host.rebootEnabled (not $host.privileged) (not (include "nodetender.hasAppArmorField" .)) -}}
{{- $_ := set $annotations "container.apparmor.security.beta.kubernetes.io/agent" "unconfined" -}}
{{- end -}}
{{- $_ := mergeOverwrite $annotations (.Values.podAnnotations | default dict) -}}
{{- /* The running agent takes up most changes of its configuration by itself; pods are replaced only for those that it cannot. */ -}}
{{- $_ := set $annotations "nodetender.dev/read-at-start" (include "nodetender.readAtStart" . | sha256sum | trunc 16) -}}
{{ toYaml $annotations }}
{{- end -}}

{{- define "nodetender.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}
