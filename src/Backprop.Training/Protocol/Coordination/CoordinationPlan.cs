using System.Collections.Immutable;
using Backprop.Engine.Networks;
using Backprop.Engine.Schedules;
using Backprop.Training.Metrics;
using Backprop.Training.Specification;

namespace Backprop.Training.Protocol.Coordination;

/// <summary>What of a run's plan its coordinator needs; no data and no weights are.</summary>
/// <param name="Run">The run.</param>
/// <param name="Name">Its name, for people.</param>
/// <param name="Dimensions">Its sizes.</param>
/// <param name="Stop">When it ends.</param>
/// <param name="Epochs">Epochs at most.</param>
/// <param name="Schedule">The learning rate over the run.</param>
/// <param name="LearningRate">The optimizer's base rate.</param>
/// <param name="Reading">How outputs are read against targets.</param>
/// <param name="Outputs">Outputs of the network.</param>
/// <param name="ValidationRows">Rows of the validation part; 0: there is none.</param>
/// <param name="Options">How it is coordinated.</param>
public sealed record CoordinationPlan(
    RunId Run, string Name, RunDimensions Dimensions, StopRules Stop, int Epochs,
    LearningRateSchedule Schedule, float LearningRate, TargetReading Reading, int Outputs,
    long ValidationRows, CoordinationOptions Options)
{
    /// <summary>Numbers that the optimizer keeps for each parameter; for people.</summary>
    public int OptimizerStates { get; init; }

    /// <summary>Names of the layers that have parameters, first layer first.</summary>
    public ImmutableArray<string> Layers { get; init; } = [];

    /// <summary>What whoever looks at the run should know, a sentence each.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>That of a training plan.</summary>
    /// <exception cref="ArgumentException">An option is out of range; the message says which.
    /// </exception>
    public static CoordinationPlan Of(RunId run, TrainingPlan plan, CoordinationOptions options)
    {
        if (options.Refusal() is { } reason)
        {
            throw new ArgumentException(reason, nameof(options));
        }

        return new CoordinationPlan(
            run, plan.Name, RunDimensions.Of(plan), plan.Stop, plan.Epochs, plan.Schedule,
            plan.Optimizer.LearningRate, TargetReading.For(plan),
            plan.Network.OutputShape.Count, plan.Validation?.Count ?? 0, options)
        {
            OptimizerStates = plan.Rules.StateCount,
            Layers = LayerNormFold.NamesOf(plan.Network),
        };
    }

    /// <summary>That of a run whose samples are elsewhere.</summary>
    /// <exception cref="ArgumentException">An option is out of range, or specification and data do
    /// not go together; the message says which.</exception>
    /// <exception cref="SpecificationException">A layer does not suit its input.</exception>
    public static CoordinationPlan Of(
        RunId id, RunSpecification run, RunOutline outline, CoordinationOptions options)
    {
        if ((options.Refusal() ?? outline.Refusal()) is { } reason)
        {
            throw new ArgumentException(reason);
        }

        Network network = RunPlanner.BuildNetwork(
            run, outline.Train.FeatureShape, outline.Inputs);
        if (LayerPlugins.DifferenceOf(network, outline.Plugins) is { } difference)
        {
            throw new ArgumentException($"the coordinator has other plug-ins: {difference}");
        }

        return new CoordinationPlan(
            id, run.Name, RunDimensions.Of(run, outline, network.Layout), run.Stop.Value,
            run.Epochs, run.Schedule, run.Optimizer.LearningRate,
            TargetReading.For(
                run.Loss, network, run.Targets, outline.Train.Target, outline.TargetScales,
                outline.Train.Source),
            network.OutputShape.Count, outline.Validation?.Count ?? 0, options)
        {
            OptimizerStates = run.Rules.StateCount,
            Layers = LayerNormFold.NamesOf(network),
            Notes = ClusterRules.NotesOf(run),
        };
    }

    /// <summary>The rate that a step used, given the reductions that held for it.</summary>
    public float LearningRateAt(long step, int plateauReductions) => Schedule.At(
        LearningRate,
        new SchedulePosition(
            step, Dimensions.StepsPerEpoch, Dimensions.TotalSteps, plateauReductions));

    /// <summary>Rows trained on in the whole run when a version was made.</summary>
    public long RunRows(long version)
    {
        long steps = Dimensions.StepsPerEpoch, epochs = version / steps;
        return (epochs * Dimensions.Rows) + (version % steps * Dimensions.BatchSize);
    }
}
