{{/* The disk that is named, where the directory is not mounted already for something else. */}}
{{- define "nodetender.diskMount" -}}
{{- if and .diskPath (not (has (clean .diskPath) (list (clean .stateDirectory) (clean .runtimeDirectory)))) -}}
{{- .diskPath -}}
{{- end -}}
{{- end -}}

{{/*
At most five. Directories rather than the sockets in them: a socket that its service has made anew is another file. The host's
propagation keeps what is unmounted there (containers' root file systems, network namespaces) from living on in the agent.
*/}}
{{- define "nodetender.volumeMounts" -}}
{{- $host := include "nodetender.host" . | fromYaml -}}
{{- $propagation := .Values.hostMounts.propagation -}}
- { name: runtime, mountPath: {{ $host.runtimeDirectory | quote }}, readOnly: true, mountPropagation: {{ $propagation }} }
- { name: state, mountPath: {{ $host.stateDirectory | quote }} }
{{- with include "nodetender.diskMount" $host }}
- { name: images, mountPath: {{ . | quote }}, readOnly: true, mountPropagation: {{ $propagation }} }
{{- end }}
{{- if $host.imagesMountpoint }}
{{- /* Where the runtime says that its images are: the agent asks it, and finds the right file system or none. */}}
- { name: images, mountPath: {{ $host.imagesMountpoint | quote }}, readOnly: true }
{{- end }}
{{- if $host.sentinelDirectory }}
- { name: sentinel, mountPath: {{ printf "/host%s" $host.sentinelDirectory | quote }}, readOnly: true, mountPropagation: {{ $propagation }} }
{{- end }}
{{- if $host.systemBus }}
- { name: system-bus, mountPath: {{ $host.systemBus | quote }}, readOnly: true }
{{- end }}
{{- end -}}

{{- define "nodetender.volumes" -}}
{{- $host := include "nodetender.host" . | fromYaml -}}
- name: runtime
  hostPath: { path: {{ $host.runtimeDirectory | quote }}, type: Directory }
- name: state
  hostPath: { path: {{ $host.stateDirectory | quote }}, type: DirectoryOrCreate }
{{- with include "nodetender.diskMount" $host }}
- name: images
  hostPath: { path: {{ . | quote }}, type: Directory }
{{- end }}
{{- if $host.imagesMountpoint }}
- name: images
  hostPath: { path: {{ printf "%s/nodetender" (dir $host.imagesMountpoint) | quote }}, type: DirectoryOrCreate }
{{- end }}
{{- if $host.sentinelDirectory }}
- name: sentinel
  hostPath: { path: {{ $host.sentinelDirectory | quote }}, type: Directory }
{{- end }}
{{- if $host.systemBus }}
{{- /* A host without a bus has images all the same; that it cannot be rebooted shows on its Node. */}}
- name: system-bus
  hostPath: { path: {{ $host.systemBus | quote }}, type: DirectoryOrCreate }
{{- end }}
{{- end -}}
