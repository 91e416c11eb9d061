using Backprop.Console.Api;
using Backprop.Console.Client;
using Backprop.Console.Storage;
using Backprop.Distributed.Persistence;
using Backprop.Engine;
using Backprop.Engine.Networks;
using Backprop.Training;
using Backprop.Training.Checkpoints;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Specification;

namespace Backprop.Console.Training;

/// <summary>A run whose checkpoints are at hand, while it trains or afterwards: a directory of
/// <c>train</c>, or a run of a cluster.</summary>
internal sealed record RunSource
{
    // Checkpoints that are only read are neither deleted nor counted.
    private const int Kept = 2;

    /// <summary>The run's name, for people.</summary>
    public required string Name { get; init; }

    /// <summary>What it trains.</summary>
    public required RunSpecification Specification { get; init; }

    /// <summary>What identifies each part of its data, a line each; null: that is part of the
    /// checkpoint.</summary>
    public IReadOnlyList<string>? Data { get; init; }

    /// <summary>The newest checkpoint of one of its networks at or before the step that was asked
    /// for, and the plan of that network; null: there is none. The caller disposes it.</summary>
    public required Func<int, TrainingPlan, Checkpoint?> Checkpoint { get; init; }

    /// <summary>Networks of the run.</summary>
    public int Members => Specification.Members;

    /// <summary>A run that was trained into a directory.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="plugins">The plug-ins that it may have layers of.</param>
    /// <param name="step">Steps that its checkpoints have at the most.</param>
    /// <exception cref="MistakeException">It is no such directory.</exception>
    public static RunSource OfDirectory(string path, LayerPlugins plugins, long step)
    {
        string file = Path.Combine(path, RunDirectory.SpecificationName);
        if (!File.Exists(file))
        {
            throw new MistakeException(
                $"'{path}' is no directory of a run: there is no '{file}' in it");
        }

        RunSpecification specification = SpecificationFile.Read(file, plugins);
        return new RunSource
        {
            Name = path,
            Specification = specification,
            Checkpoint = (member, _) => new CheckpointFiles(
                RunDirectory.MemberDirectory(path, member, specification.Members), Kept)
                .LoadAtOrBefore(step),
        };
    }

    /// <summary>A run of a cluster.</summary>
    /// <param name="api">The cluster.</param>
    /// <param name="source">What the cluster says of the run and of the step.</param>
    /// <param name="run">The run.</param>
    /// <param name="plugins">The plug-ins that it may have layers of.</param>
    /// <param name="cancellation">Of the download.</param>
    public static RunSource OfCluster(
        ApiClient api, ReplaySource source, RunId run, LayerPlugins plugins,
        CancellationToken cancellation) => new()
        {
            Name = run.Value,
            Specification = RunSpecificationReader.Read(
                source.Specification, $"the specification of run {run}", plugins: plugins),
            Data = source.Data,
            Checkpoint = (_, plan) => source.From is { } manifest
                ? Download(api, run, plan, manifest, cancellation)
                : null,
        };

    /// <summary>Refuses other data than the run's.</summary>
    /// <exception cref="MistakeException">They are others.</exception>
    public void RequireData(RunOutline outline)
    {
        if (Data is { } data && outline.Digests.Except(data).Concat(
            data.Except(outline.Digests)).FirstOrDefault() is { } difference)
        {
            throw new MistakeException(
                $"the data here are not those of {Name}: '{difference}' is on one side only");
        }
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
}
