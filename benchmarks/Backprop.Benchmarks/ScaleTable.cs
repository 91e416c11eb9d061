using System.Diagnostics;
using System.Globalization;
using Akka.Actor;
using Akka.Configuration;
using Backprop.Distributed.Coordination;
using Backprop.Distributed.Embedded;
using Backprop.Distributed.Serialization;
using Backprop.Training.Protocol;

namespace Backprop.Benchmarks;

/// <summary>The tables of what many workers cost that compute next to nothing: by the protocol's
/// states in one thread, and by the actors of a cluster in one process.</summary>
internal static class ScaleTable
{
    private const int Servers = 4;
    private const int Epochs = 3;
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(8);
    private static readonly int[] s_workers = [16, 64, 256, 1_024];

    // Six threads each: 1,024 would be thousands.
    private static readonly int[] s_actors = [16, 64, 256];

    /// <summary>Prints them.</summary>
    public static void Print()
    {
        PrintStates();
        PrintAssignments();
        PrintActors();
    }

    private static void PrintStates()
    {
        using ActorSystem system = ActorSystem.Create(
            "bytes", ConfigurationFactory.ParseString("akka { loglevel = OFF, loggers = [] }"));
        var wire = new WireSerializer((ExtendedActorSystem)system);
        // What is compiled on the way, and again once it is known to be hot, is not measured.
        TimeSpan end = Environment.CpuUsage.TotalTime + s_warmUp;
        while (Environment.CpuUsage.TotalTime < end)
        {
            MeasureStates(s_workers[1], gathers: true, wire);
            MeasureStates(s_workers[1], gathers: false, wire);
        }

        foreach (bool gathers in (bool[])[false, true])
        {
            Console.WriteLine(
                $"states in one thread, nothing computed, {Servers} parameter servers; statuses"
                + $" are decided on {(gathers ? "together" : "one by one")}");
            Console.WriteLine("             a step             messages an epoch         decisions"
                + " an epoch");
            Console.WriteLine(
                "workers       us  /worker  servers      in       KB    out       KB    made"
                + "       ms       us       MB");
            foreach (int workers in s_workers)
            {
                Console.WriteLine(MeasureStates(workers, gathers, wire));
            }

            Console.WriteLine();
        }
    }

    private static string MeasureStates(int workers, bool gathers, WireSerializer wire)
    {
        var cluster = new StubCluster(
            workers, Servers, gathers, message => wire.ToBinary(message).Length);
        cluster.Join();
        var epochs = new List<(double Step, double Serving, CoordinatorCosts Costs)>();
        for (int i = 0; i < Epochs; i++)
        {
            CoordinatorCosts before = cluster.Coordinator.Costs;
            (double step, double serving) = cluster.Epoch();
            epochs.Add((step, serving, cluster.Coordinator.Costs.Since(before)));
        }

        (double Step, double Serving, CoordinatorCosts Costs) median =
            epochs.OrderBy(epoch => epoch.Costs.Deciding).ElementAt(Epochs / 2);
        CoordinatorCosts costs = median.Costs;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{workers,7}{median.Step * 1e6,9:F0}{median.Step * 1e6 / workers,9:F2}"
            + $"{median.Serving * 1e6,9:F0}{costs.Received,8}{costs.ReceivedBytes / 1e3,9:F1}"
            + $"{costs.Sent,7}{costs.SentBytes / 1e3,9:F1}{costs.Decisions,8}"
            + $"{costs.Deciding.TotalMilliseconds,9:F2}"
            + $"{costs.Deciding.TotalMicroseconds / costs.Decisions,9:F1}"
            + $"{costs.Allocated / 1e6,9:F2}");
    }

    private static void PrintAssignments()
    {
        Console.WriteLine("an assignment of 4 micro-batches a worker, speeds differ by a tenth");
        Console.WriteLine("workers       ms  least us");
        foreach (int workers in s_workers)
        {
            var random = new Random(3);
            WorkerSpeed[] speeds =
            [
                .. Enumerable.Range(0, workers).Select(i => new WorkerSpeed(
                    new NodeId($"worker-{i}"), 1 + (0.1 * random.NextDouble()))),
            ];
            Sampling plan = Sampling.Of(
                () => AssignmentPlanner.Plan(speeds, 4 * workers), threads: 1);
            Sampling least = Sampling.Of(
                () => AssignmentPlanner.LeastMakespan(speeds, 4 * workers), threads: 1);
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{workers,7}{plan.MedianSeconds * 1e3,9:F2}{least.MedianSeconds * 1e6,9:F1}"));
        }
    }

    private static void PrintActors()
    {
        Console.WriteLine();
        Console.WriteLine("actors in one process, a network of 82 parameters, 1 parameter server");
        Console.WriteLine("workers  threads     MB  begins s  ms/step  us/worker");
        foreach (int workers in s_actors)
        {
            Console.WriteLine(MeasureActorsAsync(workers).GetAwaiter().GetResult());
        }
    }

    private static async Task<string> MeasureActorsAsync(int workers)
    {
        await using ClusterInProcess running =
            await ClusterInProcess.StartAsync("scale", workers);
        return await MeasureAsync(running.Cluster, workers);
    }

    // Steps of the second epoch, in which nobody joins any more.
    private static async Task<string> MeasureAsync(EmbeddedCluster cluster, int workers)
    {
        int stepsPerEpoch = Math.Max(50, 12_800 / workers);
        long began = Stopwatch.GetTimestamp();
        CoordinatorAnswer answer = await cluster.Client.AskAsync(
            new CoordinatorRequest.Submit(
                Guid.NewGuid(), Specification(workers, stepsPerEpoch), "scale", 0), default);
        RunId run = ((CoordinatorAnswer.Submitted)answer).Id;
        await AwaitAsync(cluster, run, view => view.Summary.Standing == RunStanding.Training);
        double begins = Stopwatch.GetElapsedTime(began).TotalSeconds;
        RunView end = await AwaitAsync(
            cluster, run, view => view.Progress?.Version >= 2 * stepsPerEpoch);
        using var process = Process.GetCurrentProcess();
        double seconds = end.Progress!.StepSeconds;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{workers,7}{process.Threads.Count,9}{process.WorkingSet64 / 1e6,7:F0}{begins,10:F1}"
            + $"{seconds * 1e3,9:F2}{seconds * 1e6 / workers,11:F1}");
    }

    private static async Task<RunView> AwaitAsync(
        EmbeddedCluster cluster, RunId run, Func<RunView, bool> isSeen)
    {
        while (true)
        {
            CoordinatorAnswer answer = await cluster.Client.AskAsync(
                new CoordinatorRequest.ShowRun(run), default);
            RunView view = ((CoordinatorAnswer.Run)answer).View;
            if (view.Summary.Standing is RunStanding.Failed or RunStanding.Completed)
            {
                throw new InvalidOperationException(view.Summary.Reason);
            }

            if (isSeen(view))
            {
                return view;
            }

            await Task.Delay(20);
        }
    }

    private static string Specification(int workers, int stepsPerEpoch) => $$"""
        name = scale
        seed = 1
        data {
          train { generated { moons {
            samples = {{workers * stepsPerEpoch}}, noise = 0.2, seed = 1
          } } }
        }
        model = [ { dense { units = 16 } }, { dense { units = 2 } } ]
        loss = softmax-cross-entropy
        optimizer { sgd { learning-rate = 0.1 } }
        batch-size = {{workers}}, micro-batches = {{workers}}, epochs = 3
        """;
}
