using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Rendering;
using Backprop.Console.Storage;
using Backprop.Console.Training;
using Backprop.Distributed.Configuration;
using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Digests;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Console.Commands;

/// <summary><c>backprop replay</c>.</summary>
internal static class ReplayCommand
{
    // Checkpoints that are only read are neither deleted nor counted.
    private const int Kept = 2;

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
        string file = Path.Combine(path, RunDirectory.SpecificationName);
        if (!File.Exists(file))
        {
            throw new MistakeException(
                $"'{path}' is no directory of a run: there is no '{file}' in it");
        }

        RunSpecification specification = SpecificationFile.Read(file, plugins);
        int members = specification.Ensemble?.Seeds ?? 1;
        if (steps.Member >= members)
        {
            throw new MistakeException(
                $"'{path}' holds {members} networks: --member may be 0 to {members - 1}");
        }

        string directory = RunDirectory.MemberDirectory(path, steps.Member, members);
        return new ReplayRequest
        {
            Name = path,
            Specification = specification,
            Member = steps.Member,
            First = steps.First,
            Last = steps.Last,
            Start = _ => new CheckpointFiles(directory, Kept).LoadAtOrBefore(steps.First),
            Recorded = DigestFile.ReadAll(directory),
        };
    }

    private static async Task<ReplayRequest> OfClusterAsync(
        ApiClient api, string name, LayerPlugins plugins, ReplayedRange steps,
        CancellationToken cancellation)
    {
        RunId run = await api.FindAsync(name, cancellation);
        ReplaySource source = await api.ReplayAsync(run, steps.First, cancellation);
        using var digests = new MemoryStream(await api.DigestsAsync(run, cancellation));
        return new ReplayRequest
        {
            Name = run.Value,
            Specification = RunSpecificationReader.Read(
                source.Specification, $"the specification of run {run}", plugins: plugins),
            Data = source.Data,
            Member = steps.Member,
            First = steps.First,
            Last = steps.Last,
            Start = plan => source.From is { } manifest
                ? Download(api, run, plan, manifest, cancellation)
                : null,
            Recorded = DigestFile.ReadAll(digests),
        };
    }

    private static Checkpoint Download(
        ApiClient api, RunId run, TrainingPlan plan, CheckpointManifest manifest,
        CancellationToken cancellation)
    {
        ParameterLayout layout = plan.Network.Layout;
        var cut = new PieceCut(
            layout.Length, plan.Rules.StateCount, manifest.BestVersion is not null);
        var weights = new AlignedBuffer(layout.Length);
        var state = new AlignedBuffer(layout.Length * plan.Rules.StateCount);
        AlignedBuffer? best = cut.HasBest ? new AlignedBuffer(layout.Length) : null;
        PlanIdentity identity = PlanIdentity.Of(plan);
        var checkpoint = new Checkpoint(
            new CheckpointHeader(
                plan.Name, identity, identity.Fingerprint(), manifest.Position,
                StoredParameter.Of(layout), layout.Length, plan.Rules.StateCount, cut.HasBest),
            weights, state, best);
        try
        {
            api.RestoreAsync(
                run, manifest, new SliceContent(cut, 0, cut.BlockCount, weights, state, best),
                cancellation).GetAwaiter().GetResult();
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

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
