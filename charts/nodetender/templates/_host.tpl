{{/* The agent's configuration without keys that have no value: to the agent they are left out, and so they are to templates. */}}
{{- define "nodetender.settings" -}}
{{- $config := deepCopy (.Values.config | default dict) -}}
{{- include "nodetender.dropNulls" $config -}}
{{ toYaml $config }}
{{- end -}}

{{- define "nodetender.dropNulls" -}}
{{- $mapping := . -}}
{{- range $key, $value := $mapping -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $mapping $key -}}
{{- else if kindIs "map" $value -}}
{{- include "nodetender.dropNulls" $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
What the chart has to know of the agent's configuration, as YAML: where things are on the host, and how much privilege the
ways to reboot need. Everything else of the configuration goes through unread.
*/}}
{{- define "nodetender.host" -}}
{{- $config := include "nodetender.settings" . | fromYaml -}}
{{- $reboot := $config.reboot | default dict -}}
{{- $sentinel := $reboot.sentinel | default dict -}}
{{- $disk := ($config.images | default dict).disk | default dict -}}
{{- $enabled := $reboot.enabled | default false -}}
{{- $method := $reboot.method | default "logind" -}}
{{- $socket := regexReplaceAll "^unix:(//)?" (($config.runtime | default dict).endpoint | default "/run/containerd/containerd.sock") "" -}}
{{- $known := dict
  "/run/containerd" "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"
  "/run/k3s/containerd" "/var/lib/rancher/k3s/agent/containerd/io.containerd.snapshotter.v1.overlayfs"
  "/run/k0s" "/var/lib/k0s/containerd/io.containerd.snapshotter.v1.overlayfs"
  "/var/snap/microk8s/common/run" "/var/snap/microk8s/common/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"
  "/run/crio" "/var/lib/containers/storage/overlay-images"
-}}
{{- $runtime := dir $socket -}}
{{- $images := .Values.hostMounts.images | default (get $known (regexReplaceAll "^/var/run/" $runtime "/run/")) -}}
{{- $port := regexFind "[0-9]+$" (toString (dig "http" "address" "[::]:8080" $config)) -}}
{{- $reachable := not (regexMatch "^(127\\.|localhost|\\[::1\\])" (toString (dig "http" "address" "[::]:8080" $config))) -}}
{{- if and $disk.startAbove (not $disk.path) (not $images) -}}
{{- fail (printf "config.images.disk.startAbove: expected hostMounts.images or config.images.disk.path beside it, because it is not known where the runtime at %s keeps its images; found neither. `crictl imagefsinfo` on a node says it" $socket) -}}
{{- end -}}
stateDirectory: {{ $config.stateDirectory | default "/var/lib/nodetender" | quote }}
runtimeDirectory: {{ $runtime | quote }}
{{- if $disk.path }}
diskPath: {{ $disk.path | quote }}
{{- else if $images }}
imagesMountpoint: {{ $images | quote }}
{{- end }}
{{- if $enabled }}
systemBus: {{ .Values.hostMounts.systemBus | quote }}
{{- if not $sentinel.command }}
sentinelDirectory: {{ dir ($sentinel.path | default "/var/run/reboot-required") | quote }}
{{- end }}
{{- end }}
port: {{ ternary $port "" $reachable | default 0 }}
rebootEnabled: {{ $enabled }}
method: {{ $method }}
{{- /* nsenter needs both; a signal needs to see PID 1. Nothing of it before reboots are on. */}}
privileged: {{ and $enabled (or (eq $method "command") (not (empty $sentinel.command))) }}
hostPID: {{ and $enabled (or (ne $method "logind") (not (empty $sentinel.command))) }}
{{- end -}}

{{/*
The agent's configuration as its file has it. The host's directories are mounted at their own paths but for the sentinel's,
which is often /var/run, where a pod has its token: that one is under /host.
*/}}
{{- define "nodetender.config" -}}
{{- $config := include "nodetender.settings" . | fromYaml -}}
{{- $host := include "nodetender.host" . | fromYaml -}}
{{- if $host.sentinelDirectory -}}
{{- $sentinel := dig "reboot" "sentinel" (dict) $config -}}
{{- $_ := set $config.reboot "sentinel" (mergeOverwrite (deepCopy ($sentinel | default dict)) (dict "path" (printf "/host%s" (dig "path" "/var/run/reboot-required" ($sentinel | default dict))))) -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}
