using System.Collections.Immutable;
using System.Diagnostics.CodeAnalysis;
using Backprop.Engine;
using Backprop.Engine.Gradients;
using Backprop.Engine.Networks;
using Backprop.Training.Protocol;

namespace Backprop.Distributed.Working;

/// <summary>A worker's gradients: those of the step at hand, which may have to be pushed again, and
/// buffers to use again. One caller at a time; only links release on threads of their own.
/// </summary>
/// <param name="layout">The flat vector.</param>
/// <param name="microBatches">Micro-batches of a global batch.</param>
/// <param name="gradients">How gradients travel.</param>
/// <param name="memoryLimitBytes">What all gradients together may take.</param>
/// <param name="released">Called, on a thread of a link, when a link has one piece less.</param>
/// <param name="time">The clock.</param>
internal sealed class GradientStore(
    ParameterLayout layout, int microBatches, ElementEncoding gradients, long memoryLimitBytes,
    Action released, TimeProvider time)
{
    /// <summary>Sets of one range: that of the step at hand, one that links are late with, and one
    /// to compute into.</summary>
    public const int MostOfARange = 3;

    private readonly List<KeptGradients> _all = [];

    // Of what is rounded for the way, one vector more, of half the bytes.
    private readonly int _roundedLength = gradients == ElementEncoding.Bf16
        ? layout.Length / KeptGradients.RoundedToAFloat
        : 0;

    /// <summary>Those of the step at hand.</summary>
    public IEnumerable<KeptGradients> Kept => _all.Where(one => one.IsKept);

    /// <summary>When the last piece of those of the step at hand left, by a clock that does not go
    /// back; null: links have some still, or there are none.</summary>
    public TimeSpan? LeftAt
    {
        get
        {
            TimeSpan? latest = null;
            foreach (KeptGradients one in _all)
            {
                if (one.IsKept)
                {
                    if (one.LeftAt is not { } left)
                    {
                        return null;
                    }

                    latest = latest > left ? latest : left;
                }
            }

            return latest;
        }
    }

    /// <summary>Buffers for a range; false: links are late with too many.</summary>
    /// <exception cref="InsufficientMemoryException">There is no memory for them.</exception>
    public bool TryTake(MicroBatchRange range, [NotNullWhen(true)] out KeptGradients? taken)
    {
        int ofRange = 0;
        taken = null;
        foreach (KeptGradients one in _all)
        {
            if (one.Set.FirstMicroBatch == range.First && one.Set.EndMicroBatch == range.End)
            {
                ofRange++;
                taken = one.IsFree ? one : taken;
            }
        }

        if (taken is null && ofRange < MostOfARange)
        {
            FreeOthers(range);
            RequireMemory(range);
            taken = Allocate(range);
            _all.Add(taken);
        }

        return taken is not null;
    }

    /// <summary>The step is over: its gradients are needed no longer.</summary>
    public void LetGo()
    {
        foreach (KeptGradients one in _all)
        {
            one.IsKept = false;
        }
    }

    /// <summary>Lets go of everything; what a link or a kernel still has is freed when nobody
    /// refers to it any more.</summary>
    public void Retire(bool isComputing)
    {
        LetGo();
        if (!isComputing)
        {
            FreeOthers(MicroBatchRange.None);
        }

        _all.Clear();
    }

    private KeptGradients Allocate(MicroBatchRange range)
    {
        var set = new GradientSet(layout, range.First, range.End, microBatches);
        ImmutableArray<AlignedBuffer> rounded = _roundedLength == 0
            ? []
            : [.. set.Nodes.Select(_ => new AlignedBuffer(_roundedLength))];
        return new KeptGradients(set, rounded, released, time);
    }

    private void RequireMemory(MicroBatchRange range)
    {
        int nodes = GradientTree.Cover(range.First, range.End, microBatches).Count;
        long vectors = nodes + _all.Sum(one => (long)one.Set.Nodes.Count);
        long bytes = vectors * (layout.Length + _roundedLength) * sizeof(float);
        if (bytes > memoryLimitBytes)
        {
            throw new InsufficientMemoryException(
                $"the gradients of micro-batches {range} are {nodes} vectors; with those that are"
                + $" still being sent they need {bytes >> 20} MiB, and {memoryLimitBytes >> 20} MiB"
                + " may be used: fewer micro-batches would fit");
        }
    }

    // A range that changed is not likely to come back.
    private void FreeOthers(MicroBatchRange range)
    {
        for (int i = _all.Count - 1; i >= 0; i--)
        {
            KeptGradients one = _all[i];
            if (one.IsFree
                && (one.Set.FirstMicroBatch != range.First || one.Set.EndMicroBatch != range.End))
            {
                one.Dispose();
                _all.RemoveAt(i);
            }
        }
    }
}
