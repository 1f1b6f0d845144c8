#!/usr/bin/env python3
"""A file system whose server takes every request and answers none but the first: whoever looks at it sits in the kernel, and
SIGKILL does not end it (as with a dead NFS server). stuck_mount.py FOLDER; ends with its process."""

from __future__ import annotations

import ctypes
import os
import struct
import sys

FUSE_INIT = 26


def main() -> int:
    folder = sys.argv[1]
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0"
    if libc.mount(b"stuck", folder.encode(), b"fuse", 0, options.encode()) != 0:
        print(f"mount: {os.strerror(ctypes.get_errno())}", flush=True)
        return 1
    while True:
        request = os.read(device, 1 << 17)
        _, opcode, unique = struct.unpack_from("<IIQ", request)
        if opcode != FUSE_INIT:
            continue
        body = struct.pack("<IIIIHHII", 7, 31, 4096, 0, 0, 0, 4096, 0) + bytes(64 - 28)
        os.write(device, struct.pack("<IiQ", 16 + len(body), 0, unique) + body)
        print("mounted", flush=True)


if __name__ == "__main__":
    sys.exit(main())
