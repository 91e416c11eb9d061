using Backprop.Distributed.Persistence;

namespace Backprop.Distributed.Tests.Persistence;

/// <summary>A checkpoint goes only when a newer one is committed.</summary>
public sealed class CheckpointRetentionTests
{
    [Fact]
    public void Without_a_commit_nothing_is_deleted() =>
        Assert.Empty(CheckpointRetention.Superfluous([], [10, 20, 30], 30, [], keep: 1));

    [Fact]
    public void The_newest_stay_and_so_does_what_is_pinned() =>
        Assert.Equal(
            (long[])[10, 30], CheckpointRetention.Superfluous(
                [10, 20, 30, 40, 50], [10, 20, 30, 40, 50], null, [20], keep: 2).ToArray());

    [Fact]
    public void What_was_begun_and_never_committed_goes_with_the_next_commit() =>
        Assert.Equal(
            (long[])[15], CheckpointRetention.Superfluous(
                [10, 20], [10, 15, 20, 25], 25, [], keep: 2).ToArray());

    [Fact]
    public void What_is_being_saved_is_left_alone_though_it_is_older() =>
        Assert.Empty(CheckpointRetention.Superfluous([20], [15, 20], 15, [], keep: 1));
}
