using Akka.Configuration;
using Backprop.Data.Sources;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Tests.Nodes;
using Backprop.Engine.Threading;
using Backprop.Training;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Tests.Embedded;

/// <summary>Many workers and many steps, in one process. What else runs would wait for their
/// threads, some ten for each worker, so nothing does.</summary>
[Collection(nameof(Alone))]
public sealed class ScaleTests
{
    // Long enough for a loaded machine; only a failing test waits for it.
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);

    [Fact]
    public async Task Hundreds_of_workers_end_in_the_bits_of_the_single_process()
    {
        const int Workers = 256, Steps = 3, Epochs = 2;
        string specification = Specification(
            "{ dense { units = 400 } }, { dense { units = 170, activation = tanh } }",
            Workers, Steps, Epochs);
        TrainingResult oracle = Train(specification);
        var tally = new MessageTally();
        await using EmbeddedCluster cluster = Start(Workers, servers: 2, tally);

        RunView view = await RunToEndAsync(cluster, specification);

        TrainingResult result = Assert.IsType<TrainingResult>(view.Result);
        Assert.Equal(oracle.StateSha256, result.StateSha256);
        Assert.Equal(oracle.Losses.AsEnumerable(), result.Losses);
        Assert.Equal(1, view.Generation);
    }

    /// <summary>What the coordinator hears is a matter of epochs and of time, not of steps.
    /// </summary>
    [Fact]
    public async Task The_coordinator_hears_nothing_of_a_worker_in_a_step()
    {
        const int Workers = 16, Epochs = 2, Few = 30, Many = 240;

        long few = await MessagesAsync(Workers, Few, Epochs);
        long many = await MessagesAsync(Workers, Many, Epochs);

        // A message for each worker in one of ten steps would be more than that.
        Assert.InRange(many - few, long.MinValue, Workers * (Many - Few) * Epochs / 10);
    }

    private static async Task<long> MessagesAsync(int workers, int stepsPerEpoch, int epochs)
    {
        var tally = new MessageTally();
        await using EmbeddedCluster cluster = Start(workers, servers: 1, tally);
        RunView view = await RunToEndAsync(
            cluster, Specification("{ dense { units = 16 } }", workers, stepsPerEpoch, epochs));
        Assert.Equal(stepsPerEpoch * epochs, view.Result!.Steps);
        // All are counted: each worker says at least that it is there.
        Assert.InRange(tally.Total, workers, long.MaxValue);
        return tally.Total;
    }

    // A micro-batch for each worker, of one row.
    private static string Specification(
        string hidden, int workers, int stepsPerEpoch, int epochs) => $$"""
        name = scale
        seed = 3
        data {
          train { generated { moons {
            samples = {{workers * stepsPerEpoch}}, noise = 0.2, seed = 1
          } } }
          validation { generated { moons { samples = 300, noise = 0.2, seed = 2 } } }
        }
        model = [ {{hidden}}, { dense { units = 2, name = output } } ]
        loss = softmax-cross-entropy
        optimizer { adam { learning-rate = 0.01 } }
        batch-size = {{workers}}, micro-batches = {{workers}}, epochs = {{epochs}}
        """;

    private static TrainingResult Train(string specification)
    {
        using PlannedRun planned = RunPlanner.Plan(
            TestRun.Read(specification), new DataSourceOpener(), long.MaxValue);
        using var pool = new ComputePool(1);
        using var trainer = new SingleProcessTrainer(planned.Plan, pool, TimeProvider.System);
        return trainer.Run(new TestRun.SilentObserver(), null, CancellationToken.None);
    }

    private static EmbeddedCluster Start(int workers, int servers, MessageTally tally) => new(
        new EmbeddedOptions
        {
            Workers = workers,
            ParameterServers = servers,
            Threads = 1,
            // Akka's supervisor of restarts sends itself what no serializer of ours takes.
            Persistence = ConfigurationFactory.ParseString("akka.actor.serialize-messages = off")
                .WithFallback(tally.Config).WithFallback(ActorConfiguration.Config),
            Data = new DataSourceOpener(),
            MemoryLimitBytes = long.MaxValue,
            OnHung = reason => throw new TimeoutException(reason),
        });

    private static async Task<RunView> RunToEndAsync(EmbeddedCluster cluster, string specification)
    {
        using var limit = new CancellationTokenSource(s_limit);
        CoordinatorAnswer submitted = await cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(Guid.NewGuid(), specification, "test.conf", 0),
            limit.Token);
        RunId run = Assert.IsType<CoordinatorAnswer.Submitted>(submitted).Id;
        while (true)
        {
            CoordinatorAnswer answer = await cluster.Client.AskAsync(
                new CoordinatorRequest.ShowRun(run), default);
            RunView view = Assert.IsType<CoordinatorAnswer.Run>(answer).View;
            if (view.Summary.Standing is RunStanding.Completed or RunStanding.Failed)
            {
                return view;
            }

            Assert.False(
                limit.IsCancellationRequested, $"{view.Summary.Standing}: {view.Summary.Reason}");
            await Task.Delay(20);
        }
    }
}
