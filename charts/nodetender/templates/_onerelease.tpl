{{/*
Two releases in two namespaces would have two locks, and two agents on each node. Nodes may be divided between releases of the
same namespace by nodeSelector. Without a cluster to ask, as in `helm template`, nothing is refused.
*/}}
{{- define "nodetender.refuseSecondRelease" -}}
{{- range (lookup "apps/v1" "DaemonSet" "" "" | default dict).items -}}
{{- $name := get (.metadata.labels | default dict) "app.kubernetes.io/name" -}}
{{- if and (eq (default "" $name) "nodetender") (ne .metadata.namespace $.Release.Namespace) -}}
{{- fail (printf "Nodetender is installed already: DaemonSet %s in namespace %s. Expected one namespace for all its releases, because nodes take turns by Leases there. Install into that namespace, or uninstall it first" .metadata.name .metadata.namespace) -}}
{{- end -}}
{{- end -}}
{{- end -}}
