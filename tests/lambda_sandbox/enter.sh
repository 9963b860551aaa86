#!/bin/sh
# Make the file system of an execution environment and run a command in it; `unshare --user --map-root-user --mount`
# runs this. Read-only but for /tmp: the system, the interpreter at /var/lang, the runtime's packages at /var/runtime,
# the code at /var/task, the layers at /opt. There is no /home, no /root and no /dev/shm.
set -eu
root=$1 lang=$2 runtime=$3 task=$4 opt=$5 bootstrap=$6 megabytes=$7
shift 7
inside=$PATH
PATH=/usr/bin:/bin:/usr/sbin:/sbin

# Of a bind mount: ro is a property of the new mount, and needs a second call.
show() {
  mkdir -p "$root$2"
  mount --rbind "$1" "$root$2"
  mount -o remount,bind,ro "$root$2"
}

mount -t tmpfs -o size=1m,mode=755 tmpfs "$root"
for name in bin etc lib lib32 lib64 sbin usr; do
  if [ -L "/$name" ]; then cp -P "/$name" "$root/$name"; elif [ -d "/$name" ]; then show "/$name" "/$name"; fi
done
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/var/rapid"
mount --rbind /proc "$root/proc"
for name in full null random urandom zero; do
  : > "$root/dev/$name"
  mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s /proc/self/fd "$root/dev/fd"
show "$lang" /var/lang
show "$runtime" /var/runtime
show "$task" /var/task
show "$opt" /opt
cp "$bootstrap" "$root/var/rapid/bootstrap.py"
mount -t tmpfs -o "size=${megabytes}m,mode=1777" tmpfs "$root/tmp"
mount -o remount,bind,ro "$root"
PATH=$inside exec /usr/sbin/chroot "$root" "$@"
