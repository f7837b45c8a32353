# needs: fio
# heavy: yes
# Every way to write: one after the other, by threads, by the kernel's queues, by memory.
for way in sync 'psync --thread' vsync 'posixaio --thread' libaio 'io_uring --thread' mmap; do
    fio --name=all --ioengine=$way --rw=randrw --size=1M --bs=4k --numjobs=2 --verify=crc32c --filename_format='file.$jobnum' > log 2>&1
    echo "$way $? $(grep -c 'err= 0' log)"
done
rm log
