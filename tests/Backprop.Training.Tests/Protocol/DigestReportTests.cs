using System.Collections.Immutable;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Tests.Protocol.Coordination;
using static Backprop.Training.Tests.Protocol.Coordination.ScriptedCluster;

namespace Backprop.Training.Tests.Protocol;

/// <summary>Digests of slices reach the coordinator whatever is lost, and a version that is made
/// otherwise sends the run back.</summary>
public sealed class DigestReportTests
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private static readonly RunGeneration Generation = new(
        new Generation(2), [S(0), S(1)], new SliceOrigin.FirstWeights(), 1, [], IsOver: false);

    [Fact]
    public void A_server_repeats_what_is_not_kept_yet_and_tells_at_once_where_it_stands()
    {
        var backlog = new DigestBacklog();
        backlog.Enter(0, new VersionDigest(1));
        Assert.True(Report(backlog, 0, stands: false, out _, out _));
        backlog.Enter(1, new VersionDigest(2));
        Assert.False(Report(backlog, 1, stands: false, out _, out _));
        Assert.True(Report(backlog, 1, stands: true, out long first, out var digests));
        Assert.Equal(0, first);
        Assert.Equal([new VersionDigest(1), new VersionDigest(2)], digests.AsEnumerable());
        Assert.False(Report(backlog, 1.5, stands: true, out _, out _));
        Assert.True(Report(backlog, 3, stands: true, out _, out _));

        backlog.Taken(1);
        Assert.True(Report(backlog, 6, stands: false, out first, out digests));
        Assert.Equal(1, first);
        Assert.Equal([new VersionDigest(2)], digests.AsEnumerable());
        backlog.Taken(2);
        Assert.False(Report(backlog, 60, stands: true, out _, out _));
    }

    [Fact]
    public void While_nobody_listens_the_oldest_are_let_go_of()
    {
        var backlog = new DigestBacklog();
        for (int version = 0; version < DigestBacklog.MaxKept + 3; version++)
        {
            backlog.Enter(version, new VersionDigest((UInt128)version));
        }

        Assert.True(Report(backlog, 0, stands: false, out long first, out var digests));
        Assert.Equal(3, first);
        Assert.Equal(DigestBacklog.MaxReported, digests.Length);
    }

    [Fact]
    public void Slices_are_put_together_in_any_order_and_once()
    {
        var gathering = new DigestGathering(Generation);
        Assert.Null(gathering.Take(Of(0, 0, 1, 2, 3), 10));
        Assert.False(gathering.TryTake(out _, out _));
        Assert.Null(gathering.Take(Of(1, 0, 10, 20), 10));
        Assert.Null(gathering.Take(Of(1, 0, 10, 20), 10));

        Assert.Equal([(0, 11), (1, 22)], Whole(gathering));
        Assert.Equal(2, gathering.EndVersion);
        Assert.Null(gathering.Take(Of(1, 1, 20, 30), 10));
        Assert.Equal([(2, 33)], Whole(gathering));
    }

    [Fact]
    public void Versions_that_a_server_has_let_go_of_are_passed_over()
    {
        var gathering = new DigestGathering(Generation);
        gathering.Take(Of(0, 0, 1, 2, 3), 10);
        gathering.Take(Of(1, 2, 30), 10);

        Assert.Equal([(2, 33)], Whole(gathering));
        Assert.Equal(3, gathering.EndVersion);
    }

    [Fact]
    public void Reports_that_fit_no_slice_or_no_version_are_refused()
    {
        var gathering = new DigestGathering(Generation);
        DigestReport report = Of(0, 0, 1);
        Assert.NotNull(gathering.Take(report with { Generation = new Generation(3) }, 10));
        Assert.NotNull(gathering.Take(report with { Server = S(1) }, 10));
        Assert.NotNull(gathering.Take(report with { Slice = 2 }, 10));
        Assert.NotNull(gathering.Take(report with { Slice = -1 }, 10));
        Assert.NotNull(gathering.Take(report with { FirstVersion = -1 }, 10));
        Assert.NotNull(gathering.Take(report with { FirstVersion = 11 }, 10));
        Assert.NotNull(gathering.Take(report with { Digests = [] }, 10));
    }

    [Fact]
    public void A_run_goes_back_behind_a_version_that_was_made_otherwise_before()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        long saved = Assert.Single(cluster.State.Checkpoints).Version;
        var difference = new DigestDifference(
            saved + 1, new VersionDigest(1), new VersionDigest(2));

        cluster.Tell(new CoordinatorInput.DigestsDiffer(new Generation(1), difference));

        GenerationEnded ended = Assert.Single(cluster.Journal.OfType<GenerationEnded>());
        Assert.Contains($"step {saved} has not made the weights", ended.Reason);
        Assert.Equal(1, cluster.State.FailedGenerations);
        Assert.NotNull(cluster.Tell(
            new CoordinatorInput.DigestsDiffer(new Generation(1), difference)).Refusal);
        cluster.Tick(60);
        Assert.Equal(saved, Assert.IsType<SliceOrigin.Checkpoint>(
            cluster.State.Generation!.Origin).Saved);
        cluster.AssertReplays();
    }

    [Fact]
    public void A_checkpoint_that_holds_doubtful_weights_is_not_gone_back_to()
    {
        ScriptedCluster cluster = InTraining();
        cluster.Epoch();
        long saved = Assert.Single(cluster.State.Checkpoints).Version;

        cluster.Tell(new CoordinatorInput.DigestsDiffer(
            new Generation(1),
            new DigestDifference(saved, new VersionDigest(1), new VersionDigest(2))));

        Assert.Empty(cluster.State.Checkpoints);
        cluster.Tick(60);
        Assert.Equal(new Generation(2), cluster.State.Generation!.Number);
        Assert.IsType<SliceOrigin.FirstWeights>(cluster.State.Generation!.Origin);
        cluster.AssertReplays();
    }

    private static bool Report(
        DigestBacklog backlog, double seconds, bool stands, out long first,
        out ImmutableArray<VersionDigest> digests) => backlog.TryReport(
        TimeSpan.FromSeconds(seconds), Interval, stands, out first, out digests);

    private static DigestReport Of(int slice, long first, params int[] digests) => new(
        new RunId("run-1"), Generation.Number, S(slice), slice, first,
        [.. digests.Select(digest => new VersionDigest((UInt128)digest))]);

    private static IEnumerable<(int Version, int Digest)> Whole(DigestGathering gathering)
    {
        var whole = new List<(int, int)>();
        while (gathering.TryTake(out long version, out VersionDigest digest))
        {
            whole.Add(((int)version, (int)digest.Value));
        }

        return whole;
    }
}
