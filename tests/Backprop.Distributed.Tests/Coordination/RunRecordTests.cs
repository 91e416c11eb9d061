using Backprop.Distributed.Coordination;
using Backprop.Distributed.Tests.Serialization;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Distributed.Tests.Coordination;

/// <summary>What a run's events leave for people to look at.</summary>
public sealed class RunRecordTests
{
    private static readonly EpochJudged s_epoch =
        RecordSamples.All.Values.OfType<EpochJudged>().First();

    private static readonly GenerationEnded s_loss =
        new(s_epoch.At, "worker-3 has left", IsFailure: false);

    [Fact]
    public void What_is_rare_is_not_crowded_out_by_what_happens_in_every_epoch()
    {
        RunRecord record = RunRecord.Empty.Apply(s_loss);
        for (int i = 0; i < 2_000; i++)
        {
            record = record.Apply(s_epoch);
        }

        Assert.Equal("worker-3 has left", record.Happenings[0].Text);
        Assert.Equal(1 + HappeningView.MaxRoutine, record.Happenings.Length);
        Assert.Equal(2_001, record.Happenings[^1].Number);
        Assert.Equal(
            record.Happenings.OrderBy(happening => happening.Number), record.Happenings);
    }

    [Fact]
    public void A_run_that_something_happens_to_all_the_time_is_shown_the_latest()
    {
        RunRecord record = RunRecord.Empty;
        for (int i = 0; i < 2_000; i++)
        {
            record = record.Apply(s_loss);
        }

        Assert.Equal(HappeningView.MaxOthers, record.Happenings.Length);
        Assert.Equal(2_000, record.Happenings[^1].Number);
    }
}
