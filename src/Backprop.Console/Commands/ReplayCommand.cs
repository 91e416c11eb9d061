using System.CommandLine;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Console.Training;
using Backprop.Distributed.Configuration;
using Backprop.Training;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop replay</c>.</summary>
internal static class ReplayCommand
{
    public static Command Create(CommandEnvironment environment)
    {
        Argument<string> run = SharedOptions.FileArgument(
            "RUN", "The directory of a run of 'train'; or a cluster's run, or 'latest'");
        var step = new Option<long>("--step")
        {
            Description = "The step to compute again, from 0",
            HelpName = "N",
            Required = true,
        };
        var to = new Option<long?>("--to")
        {
            Description = "The last of several steps [default: --step]",
            HelpName = "M",
        };
        var member = new Option<int>("--member")
        {
            Description = "Which network of an ensemble, from 0",
            HelpName = "K",
        };
        Option<int?> threads = SharedOptions.Threads();
        Option<string?> configuration = SharedOptions.Configuration();
        Option<string?> server = ClientOptions.Server();
        var command = new Command(
            "replay", "Compute steps again, and hold them against the digests on record")
        {
            run, step, to, member, threads, server, configuration,
        };
        command.Validators.Add(result =>
        {
            if (!result.Errors.Any() && (result.GetValue(step) < 0
                || result.GetValue(to) < result.GetValue(step) || result.GetValue(member) < 0))
            {
                result.AddError("--step, --to and --member count from 0, and --to is not before"
                    + " --step");
            }
        });
        command.SetAction(result =>
        {
            string name = result.GetRequiredValue(run);
            var steps = new ReplayedRange(
                result.GetValue(step), result.GetValue(to) ?? result.GetValue(step),
                result.GetValue(member));
            NodeConfiguration node = SharedOptions.ReadNode(
                result.GetValue(configuration), result.GetValue(threads), environment);
            int count = node.EffectiveThreads;
            LayerPlugins plugins = node.Plugins.Load();
            return Directory.Exists(name)
                ? Replay(OfDirectory(name, plugins, steps), count, environment.For(result))
                : ClientOptions.Ask(
                    result, server, environment, async (api, wanted, interrupted) => Replay(
                        await OfClusterAsync(api, name, plugins, steps, interrupted), count,
                        wanted));
        });
        return command;
    }

    private static ReplayRequest OfDirectory(
        string path, LayerPlugins plugins, ReplayedRange steps)
    {
        var source = RunSource.OfDirectory(path, plugins, steps.First);
        if (steps.Member >= source.Members)
        {
            throw new MistakeException(
                $"'{path}' holds {source.Members} networks: --member may be 0 to "
                + $"{source.Members - 1}");
        }

        return RequestOf(source, steps, DigestFile.ReadAll(
            RunDirectory.MemberDirectory(path, steps.Member, source.Members)));
    }

    private static async Task<ReplayRequest> OfClusterAsync(
        ApiClient api, string name, LayerPlugins plugins, ReplayedRange steps,
        CancellationToken cancellation)
    {
        RunId run = await api.FindAsync(name, cancellation);
        ReplaySource source = await api.ReplayAsync(run, steps.First, cancellation);
        using var digests = new MemoryStream(await api.DigestsAsync(run, cancellation));
        return RequestOf(
            RunSource.OfCluster(api, source, run, plugins, cancellation), steps,
            DigestFile.ReadAll(digests));
    }

    private static ReplayRequest RequestOf(
        RunSource source, ReplayedRange steps, IReadOnlyList<VersionDigest> recorded) => new()
        {
            Source = source,
            Member = steps.Member,
            First = steps.First,
            Last = steps.Last,
            Recorded = recorded,
        };

    private static int Replay(ReplayRequest request, int threads, CommandEnvironment environment)
    {
        using Interruption interruption = environment.ListenForInterruption();
        var table = new ReplayTable(request, environment);
        using var replay = new StepReplay(
            request, table.Begin, table.Add, interruption.Token);
        TrainingResult result = new ComputeThread<TrainingResult>(
            "replay", () => replay.Run(threads, environment.Time)).Result();
        table.End(replay.StartDiffers);
        if (!table.IsWhole)
        {
            environment.Error.WriteLine(interruption.Token.IsCancellationRequested
                ? "backprop: interrupted before the last step"
                : $"backprop: the run ends before step {request.Last}: {result.Stop.Reason}");
        }

        return !table.IsWhole && interruption.Token.IsCancellationRequested ? ExitCode.Interrupted
            : table.IsWhole && table.Different == 0 && !replay.StartDiffers ? ExitCode.Done
            : ExitCode.Failure;
    }

    private readonly record struct ReplayedRange(long First, long Last, int Member);
}
