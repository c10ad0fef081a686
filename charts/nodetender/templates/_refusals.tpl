{{/*
Directories of the host are mounted at their own paths. Over these the container would lose what it runs by, or its token.
*/}}
{{- define "nodetender.refuseMounts" -}}
{{- $host := include "nodetender.host" . | fromYaml -}}
{{- $own := list "/" "/bin" "/dev" "/etc" "/etc/nodetender" "/lib" "/lib64" "/nodejs" "/opt" "/opt/nodetender" "/proc" "/run" "/sbin" "/sys" "/usr" "/var" "/var/run" -}}
{{- $elsewhere := "expected a directory that may be mounted over the container's own" -}}
{{- if has (clean $host.stateDirectory) $own -}}
{{- fail (printf "config.stateDirectory: %s, found %s. Choose a directory for the agent alone, such as /var/lib/nodetender" $elsewhere (quote $host.stateDirectory)) -}}
{{- end -}}
{{- if has (clean $host.runtimeDirectory) $own -}}
{{- fail (printf "config.runtime.endpoint: %s, found a socket in %s. Have the runtime put its socket into a directory of its own" $elsewhere (quote $host.runtimeDirectory)) -}}
{{- end -}}
{{- if eq (clean $host.stateDirectory) (clean $host.runtimeDirectory) -}}
{{- fail (printf "config.stateDirectory: expected another directory than that of the runtime's socket, found %s" (quote $host.stateDirectory)) -}}
{{- end -}}
{{- if has (clean ($host.diskPath | default "/any/other")) $own -}}
{{- fail (printf "config.images.disk.path: %s, found %s. Name any other directory of the same file system: %s, where config.stateDirectory is on it" $elsewhere (quote $host.diskPath) $host.stateDirectory) -}}
{{- end -}}
{{- /* Under /host, so that only all of the host is too much. */ -}}
{{- if eq (clean ($host.sentinelDirectory | default "/any/other")) "/" -}}
{{- fail "config.reboot.sentinel.path: expected a file in a directory other than /, because its directory is mounted" -}}
{{- end -}}
{{- if and $host.systemBus (has (clean $host.systemBus) $own) -}}
{{- fail (printf "hostMounts.systemBus: %s, found %s" $elsewhere (quote $host.systemBus)) -}}
{{- end -}}
{{- end -}}
