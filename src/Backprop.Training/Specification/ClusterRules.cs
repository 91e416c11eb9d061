using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;

namespace Backprop.Training.Specification;

/// <summary>What a specification means to a cluster.</summary>
public static class ClusterRules
{
    /// <summary>Reads what is handed in to a cluster.</summary>
    /// <param name="text">The specification, which stands alone.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="fileRefusal">Why it may not name a file of data; null: it may name any.</param>
    /// <param name="plugins">The plug-ins whose layers it may name; null: none.</param>
    /// <exception cref="SpecificationException">It cannot be used, or not by a cluster.</exception>
    public static RunSpecification Read(
        string text, string file, Func<string, string?>? fileRefusal, LayerPlugins? plugins = null)
    {
        RunSpecification run = RunSpecificationReader.Read(
            text, file, fileRefusal: fileRefusal, plugins: plugins);
        return Refusal(run) is { } mistake ? throw new SpecificationException([mistake]) : run;
    }

    /// <summary>Why a cluster cannot train it, though one process can; null: it can.</summary>
    public static SpecificationError? Refusal(RunSpecification run) => run switch
    {
        { Ensemble: not null } => Error(
            run, "ensemble",
            "a cluster trains one network a run: submit a run for each seed, or train the ensemble"
            + " in one process"),
        { Backward: BackwardRule.ErrorSplitting } => Error(
            run, "backward",
            "error-splitting is there for the articles' readers and is compared with the true"
            + " gradient in one process: a cluster trains with backward = chain-rule"),
        { Checkpoint.EverySteps: not null } => Error(
            run, "checkpoint.every-steps",
            "a cluster counts checkpoints in epochs or time: use every-epochs or every"),
        _ => null,
    };

    /// <summary>What whoever looks at such a run of a cluster should know, a sentence each.
    /// </summary>
    public static ImmutableArray<string> NotesOf(RunSpecification run)
    {
        List<string> notes = [];
        if (run.Transport.Gradients == ElementEncoding.Bf16)
        {
            notes.Add(
                "inexact: gradients travel rounded to bf16 (transport.gradients), so the weights"
                + " depend on how the cluster shared the micro-batches out");
        }

        if (run.Averaging is { } averaging)
        {
            notes.Add(averaging.Note);
        }

        return [.. notes];
    }

    /// <summary>How a cluster coordinates it.</summary>
    public static CoordinationOptions OptionsOf(RunSpecification run) => new()
    {
        MinWorkers = run.Workers.Min,
        MaxWorkers = run.Workers.Max,
        CheckpointEveryEpochs = run.Checkpoint.EveryEpochs,
        CheckpointInterval = run.Checkpoint.Every ?? new CoordinationOptions().CheckpointInterval,
        KeepCheckpoints = run.Checkpoint.Keep,
        VerifyShare = run.VerifyShare,
    };

    private static SpecificationError Error(RunSpecification run, string path, string message) =>
        (run.Layers[0].Place with { Path = path }).Error(message);
}
