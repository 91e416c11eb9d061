using Backprop.Training.Curves;

namespace Backprop.Training.Protocol;

/// <summary>From a run's first parameter server to its coordinator, a few times a second at most:
/// points of its curves, as far as they are not known to be kept. For people: nothing is decided by
/// them, and they may be lost.</summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="Segment">The points.</param>
public sealed record CurveReport(RunId Run, Generation Generation, CurveSegment Segment);

/// <summary>To a run's first parameter server: points are kept, and need not be told again.
/// </summary>
/// <param name="Run">The run.</param>
/// <param name="Generation">The generation.</param>
/// <param name="EndStep">One past the last step that is.</param>
public sealed record CurvesTaken(RunId Run, Generation Generation, long EndStep);
