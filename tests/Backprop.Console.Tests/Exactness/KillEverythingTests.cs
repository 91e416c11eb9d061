using System.Diagnostics;
using Backprop.Chaos.Processes;
using Backprop.Console.Tests.Commands;

namespace Backprop.Console.Tests.Exactness;

/// <summary>Every process killed at once, at any moment, again and again: what was committed is
/// there, and the run ends in the bits of one that nothing happened to.</summary>
public sealed class KillEverythingTests : IDisposable
{
    private const int Rounds = 20;
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(2);

    // Enough parameters for three slices, and enough epochs that every round falls into training.
    private static readonly string s_long = Specifications.Moons
        .Replace("units = 8,", "units = 400,")
        .Replace("{ dense { units = 2 } }", "{ dense { units = 400, activation = relu } },"
            + " { dropout { rate = 0.2 } }, { dense { units = 2 } }")
        .Replace("epochs = 8", "epochs = 260").Replace("every-steps = 20", "every-epochs = 1");

    private readonly ScratchDirectory _scratch = new();
    private readonly string _specification;

    public KillEverythingTests() => _specification = _scratch.Write("long.conf", s_long);

    private static string Program => Path.Combine(AppContext.BaseDirectory, "backprop.dll");

    public void Dispose() => _scratch.Dispose();

    [SkippableFact]
    public async Task A_cluster_in_one_process_survives_twenty_kills()
    {
        Skip.If(OperatingSystem.IsWindows(), "signals are sent as Unix sends them");
        CommandRun.Succeeds("train", _specification, "--output", _scratch["undisturbed"]);
        var random = new Random(20);
        for (int round = 0; round < Rounds; round++)
        {
            int workers = 1 + (round % 3), servers = 1 + (round % 2);
            using Process process = Train(workers, servers);
            await Task.Delay(random.Next(700, 2_200));
            process.Kill();
            await process.WaitForExitAsync();
        }

        using Process last = Train(2, 3);
        await End(last);

        Assert.Equal(
            CommandRun.Weights(_scratch["undisturbed"]), CommandRun.Weights(_scratch["run"]));
    }

    [SkippableFact]
    public async Task A_cluster_of_processes_goes_on_after_all_were_killed()
    {
        Skip.If(OperatingSystem.IsWindows(), "signals are sent as Unix sends them");
        CommandRun.Succeeds("train", _specification, "--output", _scratch["undisturbed"]);
        using var cluster = new ProcessCluster(_scratch["cluster"]);
        string run = await cluster.UpAsync(workers: 2, servers: 2, _specification);
        var random = new Random(3);
        for (int round = 0; round < 3; round++)
        {
            await Task.Delay(random.Next(500, 3_000));
            cluster.KillAll();
            await cluster.UpAsync(workers: 1 + round, servers: 2 - (round % 2));
        }

        string output = await cluster.WatchAsync(run);

        Assert.True(File.Exists(Path.Combine(_scratch["cluster"], "coordinator.before.log")));
        Assert.Contains("all 260 epochs are done", output);
        Assert.Contains(CommandRun.Weights(_scratch["undisturbed"]), output);
        Assert.Contains("processes ended", await cluster.DownAsync());
    }

    private Process Train(int workers, int servers) => Process.Start(new ProcessStartInfo(
        "dotnet",
        [
            Program, "train", _specification, "--output", _scratch["run"], "--resume", "--workers",
            $"{workers}", "--parameter-servers", $"{servers}", "--threads", "1",
        ])
    {
        RedirectStandardOutput = true,
        WorkingDirectory = CommandRun.Root,
    })!;

    private static async Task End(Process process)
    {
        using var patience = new CancellationTokenSource(s_patience);
        await process.StandardOutput.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        Assert.Equal(ExitCode.Done, process.ExitCode);
    }
}
