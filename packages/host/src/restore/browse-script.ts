/**
 * What runs in the helper VM: finds the file system, mounts it read-only and looks at a path. The path comes as an
 * argument, never as a part of the script. What a link leads to must lie in the file system itself.
 *
 * Of a disk with partitions the first part of the path is the number of one.
 */
export const browseScript = `
PATH=/usr/sbin:/usr/bin:/sbin:/bin
action=$1 rest=\${2#/}
refuse() { echo "$1" >&2; exit 3; }
part=
if ls /sys/block/vda | grep -q '^vda[0-9]'; then
  part=\${rest%%/*}
  if [ -z "$part" ]; then
    for found in /sys/block/vda/vda*; do
      case $action in
        names) printf '%s\\0' "\${found##*/vda}" ;;
        *) echo "41ed $(($(cat "$found/size") * 512)) 0" ;;
      esac
    done
    exit 0
  fi
  case $part in *[!0-9]*) refuse "the disk has partitions: begin the path with the number of one" ;; esac
  [ -b "/dev/vda$part" ] || refuse "the disk has no partition $part"
  rest=\${rest#"$part"} rest=\${rest#/}
fi
device=/dev/vda$part
at=$(grep "^$device " /proc/mounts | head -n 1 | cut -d ' ' -f 2)
if [ -z "$at" ]; then
  at=/mnt/.found
  mkdir -p "$at"
  mounted=
  only=ro,nosuid,nodev,noexec
  for type in ext4 xfs vfat; do
    modprobe -q "$type"
    mount -t "$type" -o "$only" "$device" "$at" 2>/dev/null && mounted=1 && break
  done
  [ -n "$mounted" ] || { modprobe -q fuse && ntfs-3g -o "$only" "$device" "$at" 2>/dev/null && mounted=1; }
  [ -n "$mounted" ] || refuse "it holds no file system that can be read here (ext4, XFS, FAT, NTFS)"
fi
real=$(realpath "$at/$rest" 2>/dev/null) || refuse "there is no such file"
case $real/ in "$at"/*) ;; *) refuse "a link leads out of the file system" ;; esac
[ -e "$real" ] || refuse "there is no such file"
case $action in
  names) if [ -d "$real" ]; then find "$real" -mindepth 1 -maxdepth 1 -print0; else printf '%s\\0' "$real"; fi ;;
  attributes)
    if [ -d "$real" ]; then find "$real" -mindepth 1 -maxdepth 1 -print0 | xargs -0 -r stat -c '%f %s %Y'
    else stat -c '%f %s %Y' "$real"; fi ;;
  file) [ -f "$real" ] || refuse "it is no regular file"; stat -c %s "$real"; printf '%s' "$real" ;;
esac
`;
