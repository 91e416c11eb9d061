using Backprop.Training.Protocol;

namespace Backprop.Distributed.Tests.Nodes;

/// <summary>A step that was begun while its weights were coming: whatever comes between the pieces,
/// what a worker pushes are the gradients of weights that were sent whole.</summary>
public sealed class ReplicaActorTests
{
    private static readonly MicroBatchRange All = new(0, TestRun.Plan.MicroBatches);
    private static readonly MicroBatchRange Some = new(0, 2);

    [Fact]
    public async Task It_goes_on_piece_by_piece()
    {
        await using var servers = new ScriptedServers(Some);
        await AssertGoesOnAsync(servers);
    }

    [Fact]
    public async Task Where_the_run_says_so_gradients_are_rounded_and_statistics_are_not()
    {
        await using var servers = new ScriptedServers(
            Some,
            TestRun.Specification.Replace(
                "{ dropout { rate = 0.2 } }", "{ batch-normalization {} }")
                + "\ntransport { gradients = bf16 }");
        await AssertGoesOnAsync(servers);
    }

    [Fact]
    public async Task A_newer_version_takes_its_place()
    {
        await using ScriptedServers servers = await ScriptedServers.BeginStepAsync(All);

        await servers.BroadcastAsync(version: 2);

        await servers.AwaitGradientsAsync(step: 2, All);
    }

    [Fact]
    public async Task Speculation_on_the_step_before_goes_first_with_the_weights_of_that_step()
    {
        await using ScriptedServers servers = await ScriptedServers.BeginStepAsync(Some);
        var late = new MicroBatchRange(2, 4);

        await servers.DirectAsync(one => one with { Speculation = new Speculation(0, [late]) });

        await servers.AwaitGradientsAsync(step: 0, late);
        await servers.BroadcastAsync(version: 1);
        await servers.AwaitGradientsAsync(step: 1, Some);
    }

    [Fact]
    public async Task Another_assignment_is_computed_as_a_whole()
    {
        await using ScriptedServers servers = await ScriptedServers.BeginStepAsync(Some);

        await servers.DirectAsync(one => one with { Assigned = All });
        await servers.BroadcastAsync(version: 1);

        await servers.AwaitGradientsAsync(step: 1, All);
    }

    [Fact]
    public async Task A_generation_that_opens_at_the_same_version_has_weights_of_its_own()
    {
        await using ScriptedServers servers = await ScriptedServers.BeginStepAsync(All);

        await servers.OpenGenerationAsync(2);
        await servers.BroadcastAsync(version: 1);

        await servers.AwaitGradientsAsync(step: 1, All);
    }

    [Fact]
    public async Task Pieces_that_a_link_took_with_it_are_asked_for_and_it_goes_on()
    {
        await using ScriptedServers servers =
            await ScriptedServers.BeginStepAsync(All, step: 2);

        servers.CloseLinks();
        await servers.AwaitRequestAsync();
        await servers.BroadcastAsync(version: 2);

        await servers.AwaitGradientsAsync(step: 2, All);
    }

    [Fact]
    public async Task A_run_that_is_over_waits_for_nothing()
    {
        await using ScriptedServers servers = await ScriptedServers.BeginStepAsync(All);

        await servers.DirectAsync(one => one with { Closed = true });

        await servers.AwaitStatusAsync(status => status.Phase is WorkerPhase.Closed);
    }

    private static async Task AssertGoesOnAsync(ScriptedServers servers)
    {
        await servers.OpenAsync();
        for (long version = 0; version < 3; version++)
        {
            await servers.BroadcastAsync(version);
            await servers.AwaitGradientsAsync(version, Some);
        }
    }
}
