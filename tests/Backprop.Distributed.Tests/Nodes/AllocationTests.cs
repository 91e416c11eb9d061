using Backprop.Distributed.Nodes;
using Backprop.Engine.Numerics;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>What a step costs the garbage collector. Nothing else may run beside it.</summary>
[Collection(nameof(Alone))]
public sealed class AllocationTests
{
    // Of one epoch, so that nothing but steps happens; and so many that what happens by the clock,
    // such as looking how far they are, does not count.
    private const int Steps = 400;

    [Theory]
    [InlineData(false, "fp32")]
    [InlineData(true, "fp32")]
    [InlineData(true, "bf16")]
    public async Task A_step_allocates_next_to_nothing_of_what_it_moves(
        bool overTcp, string gradients)
    {
        RunSetup longEpochs = TestRun.SetupOf(
            TestRun.Specification.Replace("samples = 90", "samples = 40000")
            + $"\ntransport {{ gradients = {gradients} }}");
        await using TestCluster cluster = TestCluster.Of(
            overTcp, servers: 2, workers: 2, setup: longEpochs);
        long before = await cluster.AwaitVersionAsync(10);
        long allocated = GC.GetTotalAllocatedBytes(precise: true);
        long after = await cluster.AwaitVersionAsync(before + Steps);
        allocated = GC.GetTotalAllocatedBytes(precise: true) - allocated;

        // Each worker pushes a whole vector at least, and gets one.
        int bytesOfBoth = sizeof(float) + (gradients == "fp32" ? sizeof(float) : Bfloat16.Bytes);
        long moved = (after - before) * 2 * bytesOfBoth * TestRun.Plan.Network.Layout.Length;
        Assert.InRange(allocated, 0, moved / 100);
    }
}

/// <summary>Tests that no other runs beside.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone
{
}
