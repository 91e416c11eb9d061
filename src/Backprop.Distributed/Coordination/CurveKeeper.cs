using System.Collections.Immutable;
using Akka.Actor;
using Backprop.Training.Curves;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Coordination;

/// <summary>
/// The curves of a run, for its coordinator: takes in what the first parameter server reports,
/// shows it to who asks, stores it, and says so to the server once it is durable. Everything
/// happens on the coordinator's thread but the database's work, whose results it is told as
/// messages.
/// </summary>
internal sealed class CurveKeeper(
    CoordinatorContext context, CoordinationPlan plan, IActorRef self,
    CancellationToken cancellation)
{
    private CurveRecord? _record;
    private IActorRef _server = ActorRefs.Nobody;
    private Generation? _generation;
    private Generation? _refused;
    private bool _isUnderWay;
    private bool _hasFailed;
    private TimeSpan _nextWork;

    /// <summary>Whether what was stored before is known: until then, nothing is shown.</summary>
    public bool IsRead => _record is not null;

    /// <summary>One past the place of the last point.</summary>
    public long EndIndex => _record?.EndIndex ?? 0;

    // Of a clock that nobody sets.
    private TimeSpan Now => context.Time.GetElapsedTime(0);

    /// <summary>Takes a report in.</summary>
    /// <param name="report">The report.</param>
    /// <param name="generation">The run's last generation.</param>
    /// <param name="server">Who has sent it.</param>
    /// <returns>Why it is not taken, in words; null: it is, or is only too early or too late.
    /// </returns>
    public string? Take(CurveReport report, RunGeneration? generation, IActorRef server)
    {
        if (generation is null || report.Generation != generation.Number
            || report.Generation == _refused)
        {
            return null;
        }

        if (report.Segment.Refusal(plan.Layers.Length) is { } refusal)
        {
            return refusal;
        }

        if (report.Segment.Points is [.., var last]
            && last.EndStep > plan.Dimensions.TotalSteps)
        {
            return $"a point ends with step {last.EndStep}, where the run has"
                + $" {plan.Dimensions.TotalSteps}";
        }

        (_server, _generation) = (server, report.Generation);
        ReadIfNeeded();
        _record?.Enter(report.Segment);
        return null;
    }

    /// <summary>What a generation has made from a step on is in doubt: it is forgotten, and no more
    /// of it is taken.</summary>
    public void Doubt(Generation generation, long step)
    {
        _refused = generation;
        _record?.CutAt(step);
    }

    /// <summary>Points from a place on, at most so many.</summary>
    public CurveSegment Read(long from, int most)
    {
        ReadIfNeeded();
        return _record?.Read(from, most) ?? CurveSegment.Empty(plan.Layers.Length);
    }

    /// <summary>Whether the curves are stored to their end.</summary>
    /// <param name="endStep">One past the last step of the run.</param>
    public bool HasStored(long endStep)
    {
        ReadIfNeeded();
        return _record is { Unsaved.Count: 0 } record && !_isUnderWay && record.EndStep >= endStep;
    }

    /// <summary>To be called at every tick: stores what is new.</summary>
    /// <param name="isLast">Whether nothing will come any more that it would be stored with.
    /// </param>
    public void Proceed(bool isLast)
    {
        if (_record is not { Unsaved.Count: > 0 } record || _isUnderWay
            || (Now < _nextWork && !(isLast && !_hasFailed)))
        {
            return;
        }

        _isUnderWay = true;
        _nextWork = Now + context.Patience.Digests;
        long end = record.EndStep;
        ImmutableArray<long> chunks = [.. record.Unsaved];
        ImmutableArray<CurveSegment> contents = [.. chunks.Select(record.TakeToSave)];
        SaveAsync(chunks, contents).PipeTo(
            self,
            success: () => new Saved(end, chunks, null),
            failure: failure => new Saved(end, chunks, failure.Message));
    }

    /// <summary>What the database has done, told by a message of this class.</summary>
    /// <returns>What has failed, in words; null: nothing.</returns>
    public string? End(object message)
    {
        _isUnderWay = false;
        _hasFailed = message is Saved { Failure: not null };
        switch (message)
        {
            case Loaded { Record: { } loaded }:
                _record = loaded;
                return null;
            case Loaded failed:
                _nextWork = Now + context.Patience.Digests;
                return $"curves could not be read, and will be again: {failed.Failure}";
            case Saved { Failure: { } failure } lost:
                foreach (long chunk in lost.Chunks)
                {
                    _record!.MarkUnsaved(chunk);
                }

                return $"curves could not be stored, and will be again: {failure}";
            case Saved saved:
                if (_generation is { } generation && generation != _refused)
                {
                    _server.Tell(new CurvesTaken(plan.Run, generation, saved.EndStep), self);
                }

                return null;
            default:
                throw new ArgumentException($"{message} is not of the curves");
        }
    }

    /// <summary>Whether a message is for <see cref="End(object)"/>.</summary>
    public static bool IsMine(object message) => message is Loaded or Saved;

    private void ReadIfNeeded()
    {
        if (_record is not null || _isUnderWay || Now < _nextWork)
        {
            return;
        }

        _isUnderWay = true;
        context.Curves.LoadAsync(plan.Run, plan.Layers.Length, cancellation).PipeTo(
            self,
            success: record => new Loaded(record, null),
            failure: failure => new Loaded(null, failure.Message));
    }

    private async Task SaveAsync(
        ImmutableArray<long> chunks, ImmutableArray<CurveSegment> contents)
    {
        for (int i = 0; i < chunks.Length; i++)
        {
            await context.Curves.SaveAsync(plan.Run, chunks[i], contents[i], cancellation)
                .ConfigureAwait(false);
        }
    }

    private sealed record Loaded(CurveRecord? Record, string? Failure)
        : INoSerializationVerificationNeeded;

    private sealed record Saved(long EndStep, ImmutableArray<long> Chunks, string? Failure)
        : INoSerializationVerificationNeeded;
}
