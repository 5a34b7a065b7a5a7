"""The engines that a page runs models in: which files of which npm packages, by their digests.

They are fetched once into the cache, and lie there compressed beside themselves, as the site sends them.
"""

from __future__ import annotations

import gzip
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgebench.catalog import cache_folder
from edgebench.models.artifact import digest_of
from edgebench.models.fetch import Npm, Source, Wanted, fetch


@dataclass(frozen=True)
class Part:
    """One file of a package's tarball, which a page knows as `name`."""

    member: str
    sha256: str
    size_bytes: int
    as_name: str = ""

    @property
    def name(self) -> str:
        return self.as_name or self.member.rpartition("/")[2]


@dataclass(frozen=True)
class Library:
    """An npm package, the digest of its tarball, and what of it is needed."""

    package: str
    version: str
    sha256: str
    parts: tuple[Part, ...]

    def wanted(self) -> Iterator[tuple[Part, Wanted]]:
        for part in self.parts:
            sources: tuple[Source, ...] = (Npm(f"{self.package}@{self.version}", part.member, self.sha256),)
            yield part, Wanted(part.sha256, part.sha256, part.size_bytes, sources)


@dataclass(frozen=True)
class WebEngine:
    """An engine in a page. Records call it `library`. `module` is what the page imports, `glue` what that imports itself;
    `heavy` is the WebAssembly that a page keeps by its digest and hands over: the browser's own cache forgets what came by a
    certificate that nobody signed."""

    name: str
    formats: tuple[str, ...]
    libraries: tuple[Library, ...]
    module: str
    glue: str = ""
    heavy: str = ""

    @property
    def library(self) -> str:
        return self.libraries[0].package

    @property
    def version(self) -> str:
        return self.libraries[0].version

    def skips(self, name: str, threads: int) -> bool:
        """Whether a current browser does without the file: LiteRT.js takes one of three builds, by what the browser can."""
        wanted = "litert_wasm_threaded_" if threads > 1 else "litert_wasm_internal"
        return name.startswith("litert_wasm_") and not name.startswith(wanted)

    @property
    def folder(self) -> str:
        """Where the site has its files; another version is another address."""
        return f"/engine/{self.name}-{self.version}/"


ORT = ("onnxruntime-web", "1.30.0", "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71")
CPU = Library(*ORT, (
    Part("package/dist/ort.wasm.min.mjs", "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b", 50_126),
    Part("package/dist/ort-wasm-simd-threaded.mjs", "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b", 24_381),
    Part("package/dist/ort-wasm-simd-threaded.wasm", "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2", 14_239_897),
))  # fmt: skip
GPU = Library(*ORT, (  # twice the size of the other, so only a page that has WebGPU and is asked to use it takes it
    Part("package/dist/ort.webgpu.min.mjs", "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0", 66_349),
    Part("package/dist/ort-wasm-simd-threaded.asyncify.mjs", "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28", 53_057),
    Part("package/dist/ort-wasm-simd-threaded.asyncify.wasm", "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da", 26_781_914),
))  # fmt: skip
LITERT = Library("@litertjs/core", "2.5.3", "a97660833e9e7e1063c95e12016718881240b14f7438728a2f62785e912d30fd", (
    Part("package/dist/index.js", "e7daccc3a31eef890848a737ccb863ded5f046a6b40c3fdc0556495adeb5d9b3", 53_482),
    Part("package/wasm/litert_wasm_internal.js", "68efb69f770e3f76aff36a377de629ca496c131b86ac0f0f4b592a1543a898eb", 273_035),
    Part("package/wasm/litert_wasm_internal.wasm", "7280cf4471774867e385e6c3cd53e2b45e2975b80fea338fff4ef359b0865614", 9_367_934),
    Part("package/wasm/litert_wasm_compat_internal.js", "4d8f894b7883654fd6e8439730aa41e79ceaab7d19184fc4f1f0b0f1a2a2c8a5", 273_246),
    Part("package/wasm/litert_wasm_compat_internal.wasm", "5255c8ad06eabdbd2522cdebf6b22fc10faf74625c23a49b9e072570cd1fa41c", 9_334_181),
    Part("package/wasm/litert_wasm_threaded_internal.js", "92fe7a720c6deedaa1194c011c79a005ea4f6fc98f533b661cf7900760ab4849", 317_475),
    Part("package/wasm/litert_wasm_threaded_internal.wasm", "b5e54eca10f043497edf9a02186332707cae260c550d7ea22b2cae55669596cf", 9_445_834),
))  # fmt: skip
LOADER = Library("@litertjs/wasm-utils", "2.5.3", "ce2a1f8379c067be49e59752e5a7f40db6be09f6e497f0f11e59f17b515366a7", (
    Part("package/dist/index.js", "e0e20bc28ab001ac732cf40d15b6eebd24fb0deaeb95eeba5100f51eebf015f2", 1_494, "wasm-utils.js"),
))  # fmt: skip
REWRITTEN = {"index.js": (b'"@litertjs/wasm-utils"', b'"./wasm-utils.js"')}  # a worker without an import map needs an address

ORT_CPU = WebEngine("onnxruntime-web", ("onnx",), (CPU,), *(part.name for part in CPU.parts))
ORT_GPU = WebEngine("onnxruntime-web-webgpu", ("onnx",), (GPU,), *(part.name for part in GPU.parts))
LITERT_CPU = WebEngine("litert-web", ("tflite",), (LITERT, LOADER), "index.js")
ENGINES = {one.name: one for one in (ORT_CPU, LITERT_CPU)}
"""By the name that specs use; the accelerator "webgpu" takes another build of the same."""


def engine(backend: str, accelerator: str) -> WebEngine:
    """The build of it that uses this accelerator."""
    return ORT_GPU if (backend, accelerator) == (ORT_CPU.name, "webgpu") else ENGINES[backend]


@dataclass(frozen=True)
class Packed:
    """A file as it is and compressed; `sha256` is of the file as it is."""

    path: Path
    gz: Path
    sha256: str

    @property
    def size_bytes(self) -> int:
        return self.path.stat().st_size

    @property
    def packed_bytes(self) -> int:
        return self.gz.stat().st_size


def fetched(one: WebEngine, *, offline: bool = False) -> dict[str, Packed]:
    """Its files by name, from the cache or fetched now; FetchError where neither can be."""
    folder = cache_folder() / "web"
    found = {}
    for library in one.libraries:
        for part, wanted in library.wanted():
            path = fetch(wanted, folder, offline=offline)
            if part.name in REWRITTEN:
                path = _rewritten(path, *REWRITTEN[part.name])
            found[part.name] = Packed(path, _packed(path), digest_of(path))
    return found


def _rewritten(path: Path, old: bytes, new: bytes) -> Path:
    """The file with another address in it, beside it."""
    made = path.with_name(f"{path.name}-page")
    _put(made, path.read_bytes().replace(old, new))
    return made


def _packed(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    if not packed.is_file():
        _put(packed, gzip.compress(path.read_bytes(), 9, mtime=0))
    return packed


def _put(path: Path, data: bytes) -> None:
    """In one step, so that two processes may do it at once."""
    number, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(number, "wb") as file:
        file.write(data)
    os.replace(name, path)
