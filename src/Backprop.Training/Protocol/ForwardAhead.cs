using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;

namespace Backprop.Training.Protocol;

/// <summary>
/// How far a worker has begun a step whose weights are still coming: it reads the step's rows while
/// it waits, and computes forward through the leading layers whose weights are here. Nobody waits
/// inside of it: when a layer is missing, that part of the work is done, and the next part goes on
/// from there. What stands may be given up at any time; the step is then computed as a whole.
/// </summary>
/// <param name="dimensions">The run's sizes.</param>
/// <param name="leastWork">Multiply-adds that are worth a turn of the compute thread: fewer wait
/// for more layers, and a step whose forward pass has fewer in all is not begun ahead.</param>
internal sealed class ForwardAhead(RunDimensions dimensions, long leastWork)
{
    private Begun? _begun;

    /// <summary>How long the parts so far took; zero: nothing stands.</summary>
    public TimeSpan Took => _begun?.Took ?? TimeSpan.Zero;

    /// <summary>Whether a step has begun with these micro-batches, and stands.</summary>
    public bool IsOf(long version, MicroBatchRange range) =>
        _begun is { } begun && begun.Version == version && begun.Range == range;

    /// <summary>The next part of a step that is worth doing; None: there is none now.</summary>
    /// <param name="version">The version that comes: the step.</param>
    /// <param name="range">The worker's micro-batches.</param>
    /// <param name="endView">Views of it that are here with all before them.</param>
    public WorkerTask Next(long version, MicroBatchRange range, int endView)
    {
        bool continues = IsOf(version, range);
        long work = continues
            ? WorkOf(version, range, _begun!.Value.EndView, endView)
            : WorkOf(version, range, 0, dimensions.Layout.Views.Length);
        return work >= leastWork
            ? new WorkerTask(WorkerActivity.ComputeAhead, version, range, endView, continues)
            : default;
    }

    /// <summary>A part is done.</summary>
    public void Add(WorkerTask part, TimeSpan took) => _begun = new Begun(
        part.Version, part.Range, part.EndView, (part.Continues ? Took : TimeSpan.Zero) + took);

    /// <summary>What stands is given up.</summary>
    public void Abandon() => _begun = null;

    // Of dense layers, by far the most; convolutions are worth more.
    private long WorkOf(long version, MicroBatchRange range, int firstView, int endView)
    {
        MicroBatches cut = dimensions.MicroBatchesOf(version);
        long rows = cut.Start(range.End) - cut.Start(range.First);
        return rows * (OffsetOf(endView) - OffsetOf(firstView));
    }

    private long OffsetOf(int view)
    {
        ParameterLayout layout = dimensions.Layout;
        return view < layout.Views.Length ? layout.Views[view].Offset : layout.Length;
    }

    private readonly record struct Begun(
        long Version, MicroBatchRange Range, int EndView, TimeSpan Took);
}
