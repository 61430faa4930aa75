#!/bin/busybox sh
# The lab's init: process 1 of the emulated machine, run from RAM by a static busybox.
# laboratory.py puts it in the initramfs and starts the machine; what the two agree on is in RUN below.
# It loads modules, stacks RAM over this machine's files, attaches the disks, runs one command and stops.

B=/bin/busybox
RUN=/lab/run # the one folder that is written through to the outer machine

stage_boot() {
    export PATH=/bin
    $B --install -s /bin
    mkdir -p /proc /sys /dev /new /mnt
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    mount -t devtmpfs devtmpfs /dev
    while read -r module; do insmod "/modules/$module"; done < /modules/order
    # everything that the machine writes lies in this file system and ends with it
    mount -t tmpfs -o mode=755,size=85% ram /mnt
    mkdir -p /mnt/host /mnt/up /mnt/work
    mount -t 9p -o ro,trans=virtio,version=9p2000.L,msize=512000,cache=loose host /mnt/host
    mount -t overlay -o lowerdir=/mnt/host,upperdir=/mnt/up,workdir=/mnt/work root /new
    mkdir -p /new/lab /new/proc /new/sys /new/dev /new/run /new/tmp
    mount -t tmpfs -o mode=755,size=85% lab /new/lab
    mkdir -p /new/lab/run /new/lab/bin /new/lab/tmp /new/lab/home
    chmod 1777 /new/lab/tmp
    cp /bin/busybox /init /new/lab/bin/
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 run /new/lab/run
    mount --move /proc /new/proc
    mount --move /sys /new/sys
    mount --move /dev /new/dev
    exec switch_root /new /lab/bin/busybox sh /lab/bin/init second
}

stage_run() {
    $B mkdir -p /lab/bin/tools
    $B --install -s /lab/bin/tools
    export PATH=/lab/bin/tools
    mount -t tmpfs -o mode=755 run /run
    ulimit -H -n 1048576 # as service managers give it; the kernel's own is 4,096
    mkdir -p /dev/pts /dev/shm
    mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
    mount -t tmpfs -o mode=1777 shm /dev/shm
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    ln -s /proc/self/fd /dev/fd
    ln -s /proc/self/fd/0 /dev/stdin
    ln -s /proc/self/fd/1 /dev/stdout
    ln -s /proc/self/fd/2 /dev/stderr
    chmod 666 /dev/kvm /dev/vhost-vsock /dev/net/tun /dev/fuse
    # waiting busily for an idle guest takes time from the other processor
    echo 0 > /sys/module/kvm/parameters/halt_poll_ns
    ip link set lo up
    ip link set eth0 up
    ip addr add 10.0.2.15/24 dev eth0
    ip route add default via 10.0.2.2
    rm -f /etc/resolv.conf
    echo "nameserver 10.0.2.3" > /etc/resolv.conf
    . $RUN/setup
    (while :; do date > $RUN/alive; sleep 2; done) &
    cat /proc/uptime > $RUN/up
    sh $RUN/command < /dev/null >> $RUN/out 2>> $RUN/err
    echo $? > $RUN/status.new
    mv $RUN/status.new $RUN/status
    echo b > /proc/sysrq-trigger
}

# A disk is known by its serial number, which laboratory.py gives it.
device() {
    for block in /sys/block/vd*; do
        [ "$(cat $block/serial)" = "$1" ] && echo "/dev/${block##*/}" && return
    done
}

# Show a disk's files at a folder; never to be written.
show() {
    mkdir -p "$2"
    mount -t ext4 -o ro,noload "$(device $1)" "$2"
}

# Show a disk's files at a folder; what is written there goes to RAM.
lend() {
    mkdir -p /lab/disks/$1/files /lab/disks/$1/up /lab/disks/$1/work "$2"
    mount -t ext4 -o ro,noload "$(device $1)" /lab/disks/$1/files
    mount -t overlay -o lowerdir=/lab/disks/$1/files,upperdir=/lab/disks/$1/up,workdir=/lab/disks/$1/work $1 "$2"
}

case "$1" in
second) B=/lab/bin/busybox; stage_run ;;
*) stage_boot ;;
esac
