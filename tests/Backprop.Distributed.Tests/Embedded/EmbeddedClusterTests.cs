using Backprop.Data.Sources;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Training;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>A whole cluster in one process, asked as users ask it.</summary>
public sealed class EmbeddedClusterTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 2)]
    [InlineData(8, 3)]
    public async Task A_submitted_run_ends_in_the_bits_of_the_single_process(
        int workers, int servers)
    {
        await using EmbeddedCluster cluster = Start(workers, servers);

        RunView view = await RunToEndAsync(cluster, TestRun.Specification);

        TrainingResult result = Assert.IsType<TrainingResult>(view.Result);
        Assert.Equal(TestRun.Oracle.WeightsSha256, result.WeightsSha256);
        Assert.Equal(TestRun.Oracle.StateSha256, result.StateSha256);
        Assert.Equal(TestRun.Oracle.Losses.AsEnumerable(), result.Losses);
        Assert.Equal(TestRun.Oracle.Test!.Loss, result.Test!.Loss);
        Assert.Equal(TestRun.Oracle.Stop, result.Stop);
        Assert.NotNull(view.Model);
    }

    private static EmbeddedCluster Start(int workers, int servers) => new(new EmbeddedOptions
    {
        Workers = workers,
        ParameterServers = servers,
        Threads = 1,
        Persistence = ActorConfiguration.Config,
        Data = new DataSourceOpener(),
        Models = _ => new ModelsInMemory(),
        MemoryLimitBytes = long.MaxValue,
        OnHung = reason => throw new TimeoutException(reason),
    });

    private static async Task<RunView> RunToEndAsync(EmbeddedCluster cluster, string specification)
    {
        using var limit = new CancellationTokenSource(Limit);
        CoordinatorAnswer submitted = await cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), specification, "test.conf", 0),
            limit.Token);
        var id = Assert.IsType<CoordinatorAnswer.Submitted>(submitted).Id;
        while (true)
        {
            CoordinatorAnswer answer = await cluster.Client.AskAsync(
                new CoordinatorRequest.ShowRun(id), limit.Token);
            RunView view = Assert.IsType<CoordinatorAnswer.Run>(answer).View;
            if (view.Summary.Standing
                is RunStanding.Completed or RunStanding.Failed or RunStanding.Stopped)
            {
                return view;
            }

            await Task.Delay(20, limit.Token);
        }
    }
}
