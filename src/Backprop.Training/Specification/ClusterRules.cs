using System.Collections.Immutable;
using Backprop.Training.Protocol;
using Backprop.Training.Protocol.Coordination;
using Backprop.Training.Sweeps;

namespace Backprop.Training.Specification;

/// <summary>What a specification means to a cluster.</summary>
public static class ClusterRules
{
    // By so many letters, a later round's specification may be longer.
    private const int MaxEpochsLength = 16;

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

    /// <summary>Reads a sweep that is handed in to a cluster, and every trial of its first round:
    /// the later rounds' differ from these only in their epochs.</summary>
    /// <param name="text">The sweep's specification, which stands alone.</param>
    /// <param name="file">Its name, for messages.</param>
    /// <param name="run">The run's specification, which stands alone.</param>
    /// <param name="maxLength">Letters of a trial's specification at most.</param>
    /// <param name="fileRefusal">Why a trial may not name a file of data; null: it may name any.
    /// </param>
    /// <param name="plugins">The plug-ins whose layers it may name; null: none.</param>
    /// <exception cref="SpecificationException">It cannot be used, or not by a cluster.</exception>
    public static SweepPlan ReadSweep(
        string text, string file, string run, int maxLength, Func<string, string?>? fileRefusal,
        LayerPlugins? plugins = null)
    {
        SweepSpecification sweep = SweepSpecificationReader.Read(text, file);
        SweepPlan plan = SweepPlan.Of(
            sweep, run, sweep.Run.Value, plugins: plugins, fileRefusal: fileRefusal);
        foreach (SweepTrial trial in plan.Trials)
        {
            RunSpecification one = plan.RunOf(trial, plan.Rounds[0]);
            SpecificationError? mistake = Refusal(one);
            if (one.ResolvedText.Length + MaxEpochsLength > maxLength)
            {
                mistake ??= sweep.Run.Place.Error(
                    $"the specification of trial {trial.Number} has {one.ResolvedText.Length:N0}"
                    + $" letters, where at most {maxLength - MaxEpochsLength:N0} may be");
            }

            if (mistake is not null)
            {
                throw new SpecificationException([mistake]);
            }
        }

        return plan;
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
