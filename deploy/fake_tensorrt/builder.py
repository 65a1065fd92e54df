"""The fake of TensorRT's builder: refuses in the real ones' words, and makes plans that the fake
runtime takes."""

from __future__ import annotations

from deploy.fake_tensorrt.graph import DYNAMIC, Graph, Profile, Tensor, pack_plan
from deploy.fake_tensorrt.names import BuilderFlag, ILogger, IProgressMonitor, MemoryPoolType, Severity
from deploy.fake_tensorrt.parser import Network

STEPS = 4
Shape = tuple[int, ...]
USAGE = "Error Code 4: API Usage Error ({})"


class HostMemory(bytes):
    """A plan, as ``IHostMemory``."""

    @property
    def nbytes(self) -> int:
        return len(self)


class OptimizationProfile:
    """Shapes by input."""

    def __init__(self) -> None:
        self._shapes: dict[str, tuple[Shape, Shape, Shape]] = {}

    def set_shape(self, input: str, min: Shape, opt: Shape, max: Shape) -> None:
        self._shapes[input] = (tuple(min), tuple(opt), tuple(max))

    def get_shape(self, input: str) -> list[Shape]:
        return list(self._shapes.get(input, ()))


class TimingCache:
    """Measures nothing; keeps what it was given."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def serialize(self) -> HostMemory:
        return HostMemory(self._data or b"fake timing cache")


class BuilderConfig:
    """How a plan is built."""

    progress_monitor: IProgressMonitor | None = None

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger
        self._flags = {BuilderFlag.TF32}
        self._profiles: list[OptimizationProfile] = []
        self._timing: TimingCache | None = None
        self._limits: dict[MemoryPoolType, int] = {}

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def set_flag(self, flag: BuilderFlag) -> None:
        self._flags.add(BuilderFlag(flag))

    def clear_flag(self, flag: BuilderFlag) -> None:
        self._flags.discard(BuilderFlag(flag))

    def get_flag(self, flag: BuilderFlag) -> bool:
        return flag in self._flags

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self._limits[pool] = pool_size

    def get_memory_pool_limit(self, pool: MemoryPoolType) -> int:
        return self._limits.get(pool, 0)

    def create_timing_cache(self, serialized_timing_cache: bytes) -> TimingCache:
        return TimingCache(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: TimingCache, ignore_mismatch: bool) -> bool:
        self._timing = cache
        return True

    def get_timing_cache(self) -> TimingCache | None:
        return self._timing

    def add_optimization_profile(self, profile: OptimizationProfile) -> int:
        for name, (least, likeliest, largest) in profile._shapes.items():
            if any(not a <= b <= c for a, b, c in zip(least, likeliest, largest, strict=True)):
                words = (
                    f"Invalid optimization profiles for input tensors {name}, please ensure that the "
                    "optimization profiles satisfy MIN<=OPT<=MAX."
                )
                self._logger.log(Severity.ERROR, f"IOptimizationProfile::isValid: {USAGE.format(words)}")
                return -1
        self._profiles.append(profile)
        return len(self._profiles) - 1


class Builder:
    """Makes fake plans of its own library and version."""

    _library, _version = "", ""

    def __init__(self, logger: ILogger) -> None:
        self._logger = logger

    def create_network(self, flags: int = 0) -> Network:
        return Network(flags)

    def create_builder_config(self) -> BuilderConfig:
        return BuilderConfig(self._logger)

    def create_optimization_profile(self) -> OptimizationProfile:
        return OptimizationProfile()

    def build_serialized_network(self, network: Network, config: BuilderConfig) -> HostMemory | None:
        profiles: list[Profile] = [dict(profile._shapes) for profile in config._profiles]
        problem = self._problem(network, profiles)
        if problem:
            self._logger.log(Severity.ERROR, f"IBuilder::buildSerializedNetwork: {USAGE.format(problem)}")
            return None
        if not self._progress(config.progress_monitor):
            return None
        self._logger.log(Severity.INFO, f"Total Activation Memory: {len(network._model)} bytes")
        return HostMemory(pack_plan(network._model, profiles, self._library, self._version))

    def _progress(self, monitor: IProgressMonitor | None) -> bool:
        """False: whoever watches wants it to end."""
        if monitor is None:
            return True
        monitor.phase_start("Building Engine", None, STEPS)
        going = all(monitor.step_complete("Building Engine", step) for step in range(STEPS))
        monitor.phase_finish("Building Engine")
        return going

    def _problem(self, network: Network, profiles: list[Profile]) -> str:
        graph = Graph(network._model)
        free = [tensor for tensor in graph.inputs if DYNAMIC in tensor.shape]
        if free and not profiles:
            return "Network has dynamic or shape inputs, but no optimization profile has been defined."
        for index, profile in enumerate(profiles):
            for tensor in free:
                if tensor.name not in profile:
                    return f"Dynamic input tensor {tensor.name} is missing dimensions in profile {index}."
                if words := _static_mismatch(tensor, profile[tensor.name], index):
                    return words
            if words := self._unsolved(graph, profile, index):
                return words
        return ""

    def _unsolved(self, graph: Graph, profile: Profile, index: int) -> str:
        """As the real one: an error at the likeliest sizes, only a warning at the others."""
        for point, name in ((1, "kOPT"), (0, "kMIN"), (2, "kMAX")):
            shapes = {t.name: profile[t.name][point] if t.name in profile else t.shape for t in graph.inputs}
            try:
                graph.output_shapes(shapes)
            except RuntimeError as error:
                if name == "kOPT":
                    return f"kOPT values for profile {index} violate shape constraints: graph: {error}"
                words = f"{name} dimensions in profile {index} are not self-consistent."
                self._logger.log(Severity.WARNING, words)
        return ""


def _static_mismatch(tensor: Tensor, shapes: tuple[Shape, Shape, Shape], index: int) -> str:
    for axis, length in enumerate(tensor.shape):
        least, likeliest, largest = (shape[axis] for shape in shapes)
        if length != DYNAMIC and {least, likeliest, largest} != {length}:
            return (
                f"Dimension mismatch for tensor {tensor.name} and profile {index}. At dimension axis {axis}, "
                f"profile has min={least}, opt={likeliest}, max={largest} but tensor has {length}."
            )
    return ""
