{{/* What a monitor says of scraping. Agents are told apart by their nodes: pods come and go. */}}
{{- define "nodetender.scraping" -}}
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
relabelings:
  - sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: instance
{{- end -}}

{{/* The name of the port, where anybody but the pod itself can reach it. */}}
{{- define "nodetender.metricsPort" -}}
{{- $key := last . -}}
{{- if not (include "nodetender.host" (first .) | fromYaml).port -}}
{{- fail (printf "%s.enabled: expected config.http.address to be reached from outside of the pod, found %s" $key ((first .).Values.config.http.address | quote)) -}}
{{- end -}}
metrics
{{- end -}}
