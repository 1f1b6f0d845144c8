"""What a guest boots: an uncompressed kernel, and an initramfs of busybox with the modules that verbs over RoCE need.

Both come from Debian's generic kernel package (the cloud flavour has neither rdma_rxe nor 9p), which is unpacked and
never installed, and are kept in a cache folder: build/labs/softroce, or what FABRICHECK_SOFTROCE_CACHE names, so that
several checkouts can share it.
"""

from __future__ import annotations

import fcntl
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE_VARIABLE = "FABRICHECK_SOFTROCE_CACHE"
# In the order in which they are loaded; what they depend on goes before them.
MODULES = (
    "virtio_pci", "virtio_console", "virtio_rng", "9pnet_virtio", "9p", "overlay",
    "virtio_net", "veth", "crc32_generic", "sch_netem", "sch_tbf", "ib_uverbs", "rdma_ucm", "ib_umad", "rdma_rxe",
)
FORMAT = 3  # raised when what is in the cache changes its form


class CannotPrepare(RuntimeError):
    """What guests boot cannot be had here; the reason is its text."""


@dataclass(frozen=True)
class Image:
    kernel: Path
    initramfs: Path


def cache_folder() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named) if named else HERE.parents[2] / "build/labs/softroce"


def _run(command: list[str], folder: Path | None = None, **more: object) -> str:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=300, **more)  # type: ignore[call-overload]
    except FileNotFoundError:
        raise CannotPrepare(f"{command[0]} is not installed") from None
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise CannotPrepare(f"{' '.join(command[:3])} failed: {' '.join(last) or done.returncode}")
    return str(done.stdout.decode(errors="replace"))


def _kernel_package() -> str:
    """The versioned package behind linux-image-amd64."""
    words = _run(["apt-cache", "depends", "linux-image-amd64"])
    found = re.search(r"Depends: (linux-image-\S+-amd64)", words)
    if not found:
        raise CannotPrepare("apt knows no package linux-image-amd64 (apt-get update may help)")
    return found[1]


def _download(cache: Path) -> Path:
    kept = sorted(cache.glob("linux-image-*.deb"))
    if kept:
        return kept[-1]
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        _run(["apt-get", "download", _kernel_package()], Path(folder))
        fetched = next(Path(folder).glob("*.deb"))
        return Path(shutil.move(fetched, cache / fetched.name))


def _uncompressed(bzimage: bytes) -> bytes:
    """vmlinux out of a bzImage: half the time to boot. Offsets by Linux' Documentation/x86/boot.rst."""
    setup_sectors = bzimage[0x1F1] or 4
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    payload = bzimage[start : start + length]
    if not payload.startswith(b"\xfd7zXZ"):
        raise CannotPrepare("the kernel is not compressed by xz")
    return lzma.LZMADecompressor().decompress(payload)


def _in_order(tree: Path) -> list[Path]:
    """The files of MODULES and of what they depend on, each after its own dependencies."""
    depends: dict[str, list[str]] = {}
    for line in (tree / "modules.dep").read_text(encoding="utf-8").splitlines():
        name, _, needed = line.partition(":")
        depends[name] = needed.split()
    by_name = {Path(path).stem.replace("-", "_"): path for path in depends}
    ordered: list[str] = []

    def add(path: str) -> None:
        for needed in depends[path]:
            add(needed)
        if path not in ordered:
            ordered.append(path)

    for module in MODULES:
        if module in by_name:  # else it is built in
            add(by_name[module])
    if not any(path.endswith("/rdma_rxe.ko") for path in ordered):
        raise CannotPrepare("the kernel package has no rdma_rxe")
    return [tree / path for path in ordered]


def _build(cache: Path) -> None:
    package = _download(cache)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        _run(["dpkg-deb", "-x", str(package), str(folder / "package")])
        kernel = next((folder / "package/boot").glob("vmlinuz-*"))
        version = kernel.name.removeprefix("vmlinuz-")
        (cache / "vmlinux.new").write_bytes(_uncompressed(kernel.read_bytes()))
        busybox = shutil.which("busybox") or ""
        _run([busybox or "busybox", "depmod", "-b", str(folder / "package"), version])
        root = folder / "root"
        for place in ("bin", "modules", "proc", "sys", "dev", "host", "over", "root"):
            (root / place).mkdir(parents=True)
        shutil.copy(busybox, root / "bin/busybox")
        shutil.copy(HERE / "guest/init", root / "init")
        (root / "init").chmod(0o755)
        names = []
        for module in _in_order(folder / "package/lib/modules" / version):
            shutil.copy(module, root / "modules" / module.name)
            names.append(module.name)
        (root / "modules/order").write_text("\n".join(names) + "\n", encoding="utf-8")
        listing = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*"))) + "\n"
        with (cache / "initramfs.new").open("wb") as sink:
            subprocess.run(
                [busybox, "cpio", "-o", "-H", "newc"], cwd=root, input=listing.encode(), stdout=sink,
                stderr=subprocess.DEVNULL, check=True,
            )
    for made in ("vmlinux", "initramfs"):
        os.replace(cache / f"{made}.new", cache / made)


def _stamp() -> str:
    """What the cache must have been made from."""
    return f"{FORMAT}\n{' '.join(MODULES)}\n{(HERE / 'guest/init').read_text(encoding='utf-8')}"


@contextmanager
def _locked(cache: Path) -> Iterator[None]:
    with (cache / "lock").open("w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def prepare() -> Image:
    """The image out of the cache, made first where it is not there. Raises CannotPrepare."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    image = Image(cache / "vmlinux", cache / "initramfs")
    stamp = cache / "stamp"
    with _locked(cache):
        if not stamp.exists() or stamp.read_text(encoding="utf-8") != _stamp() or not image.kernel.exists():
            _build(cache)
            stamp.write_text(_stamp(), encoding="utf-8")
    return image
