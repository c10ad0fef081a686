import { globSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { gzipSync } from 'node:zlib';

import { componentsOf } from '../components.ts';
import { cpio } from './cpio.ts';

/** In the order in which they need one another. ext4 is part of the kernel, the disk's driver is not. */
const modules = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci', 'virtio_blk'];
const commands = ['sh', 'mount', 'umount', 'insmod', 'sleep', 'switch_root'];

const init = `#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in ${modules.join(' ')}; do insmod /modules/$module.ko; done
tries=0
while [ ! -b /dev/vda ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
mount -t ext4 -o rw,noatime /dev/vda /root
mount --move /dev /root/dev
umount /proc /sys
exec switch_root /root /sbin/init
`;

/** What the kernel starts from until it sees the disk: a megabyte, where Debian's own takes seconds of an emulated processor. */
export function initialRamDisk(guestRoot: string): Buffer {
  const drivers = modules.map((name) => {
    const [path] = globSync(`${guestRoot}/usr/lib/modules/*/kernel/drivers/*/${name}.ko`);
    if (path === undefined) throw new Error(`the guest's kernel has no module ${name}`);
    return { path: `modules/${basename(path)}`, content: readFileSync(path) };
  });
  const entries = [
    ...['bin', 'dev', 'modules', 'proc', 'root', 'sys'].map((path) => ({ path })),
    { path: 'init', content: Buffer.from(init) },
    { path: 'bin/busybox', content: readFileSync(componentsOf('1.6').busybox) },
    ...commands.map((name) => ({ path: `bin/${name}`, target: 'busybox' })),
    ...drivers,
  ];
  return gzipSync(cpio(entries), { level: 1 });
}
