using Backprop.Engine.Networks;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Tests.Checkpoints;

namespace Backprop.Training.Tests.Digests;

/// <summary>Digests tell versions apart, however they are cut, and find what is computed otherwise.
/// </summary>
public sealed class DigestTests
{
    private static readonly TrainingPlan Plan = TestPlans.Everything();

    [Fact]
    public void The_digest_of_a_block_is_the_hash_that_others_compute()
    {
        // XXH3-128 of nothing, with seed 0, as xxHash's own test vectors have it.
        Assert.Equal(
            "99aa06d3014798d86001c324468d497f", VersionDigest.OfBlock(0, []).ToString());
    }

    [Fact]
    public void Slices_add_up_to_the_whole_and_blocks_know_their_place()
    {
        float[] weights =
        [
            .. Enumerable.Range(0, (2 * ParameterLayout.DefaultBlockLength) + 16)
                .Select(i => i / 7f),
        ];
        VersionDigest whole = VersionDigest.Of(0, weights);
        int cut = ParameterLayout.DefaultBlockLength;

        Assert.Equal(
            whole,
            VersionDigest.Of(0, weights.AsSpan(0, cut)) + VersionDigest.Of(1, weights.AsSpan(cut)));
        Assert.NotEqual(whole, VersionDigest.Of(1, weights));
        weights[cut] = BitConverter.Int32BitsToSingle(
            BitConverter.SingleToInt32Bits(weights[cut]) ^ 1);
        Assert.NotEqual(whole, VersionDigest.Of(0, weights));
    }

    [Fact]
    public void Threads_and_interruptions_do_not_change_the_digests()
    {
        DigestList undisturbed = new(), disturbed = new();
        TrainingResult result = OracleTests.Train(Plan, threads: 1, digests: undisturbed);
        var store = new InMemoryCheckpointStore();
        using var interrupter = new RecordingObserver(interruptAfterStep: 6);
        OracleTests.Train(
            Plan, 2, interrupter, new CheckpointPolicy(store), digests: disturbed);
        Assert.True(disturbed.Flushes > 0);
        using Checkpoint checkpoint = store.Load()!;
        OracleTests.Train(Plan, 3, resumeFrom: checkpoint, digests: disturbed);

        Assert.Equal(result.Steps + 1, undisturbed.Versions.Count);
        Assert.Equal(undisturbed.Versions, disturbed.Versions);
        Assert.Equal(undisturbed.Versions.Count, undisturbed.Versions.Values.Distinct().Count());
    }

    [Fact]
    public void A_step_that_makes_other_weights_than_before_is_named()
    {
        var digests = new DigestList();
        digests.Record(4, new VersionDigest(77));

        DigestException failure = Assert.Throws<DigestException>(
            () => OracleTests.Train(Plan, threads: 1, digests: digests));

        Assert.Equal(4, failure.Difference.Version);
        Assert.StartsWith("step 3 has not made the weights that are on record", failure.Message);
        Assert.Contains("0000004d", failure.Message);
    }

    [Fact]
    public void A_record_is_stored_in_chunks_and_compared_once_it_is_read_again()
    {
        var record = new DigestRecord(0);
        for (long version = 0; version <= DigestRecord.ChunkLength; version++)
        {
            Assert.Null(record.Enter(version, new VersionDigest((UInt128)version + 1)));
        }

        Assert.Equal([0, 1], record.Unsaved);
        byte[] first = record.TakeToSave(0), second = record.TakeToSave(1);
        Assert.Equal(DigestRecord.ChunkLength * VersionDigest.Bytes, first.Length);
        Assert.Equal(VersionDigest.Bytes, second.Length);
        Assert.Empty(record.Unsaved);

        var again = new DigestRecord(DigestRecord.ChunkLength - 4);
        again.Load(0, first);
        again.Load(1, second);
        Assert.Null(again.Enter(1_020, new VersionDigest(1_021)));
        Assert.Empty(again.Unsaved);
        Assert.Equal(
            new DigestDifference(1_024, new VersionDigest(1_025), new VersionDigest(5)),
            again.Enter(1_024, new VersionDigest(5)));
        Assert.Null(again.Enter(1_025, new VersionDigest(9)));
        Assert.Equal([1], again.Unsaved);
    }

    [Fact]
    public void Chunks_that_a_run_cannot_go_back_behind_are_let_go_of_and_never_overwritten()
    {
        var record = new DigestRecord(0);
        record.Enter(0, new VersionDigest(1));
        record.Enter(5_000, new VersionDigest(2));
        Assert.Equal([0, 1, 2, 3, 4], record.Unsaved);
        foreach (long chunk in record.Unsaved.ToArray())
        {
            record.TakeToSave(chunk);
        }

        record.ForgetBefore(10_000);
        Assert.Equal(
            new VersionDigest(2), record.Enter(5_000, new VersionDigest(3))?.Recorded);
        record.Enter(5_001, new VersionDigest(4));
        Assert.Equal([4], record.Unsaved);
    }

    [Fact]
    public void Digests_that_were_outvoted_are_forgotten()
    {
        var record = new DigestRecord(0);
        record.Enter(0, new VersionDigest(1));
        record.Enter(1, new VersionDigest(2));
        record.CutAt(1);

        Assert.Null(record.Enter(0, new VersionDigest(1)));
        Assert.Null(record.Enter(1, new VersionDigest(3)));
    }
}
