using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Training.Metrics;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Nodes;

/// <summary>A run as a node knows it that has not seen its data.</summary>
/// <param name="Setup">What it was told.</param>
/// <param name="Specification">What is trained.</param>
/// <param name="Plan">What a parameter server needs of it.</param>
internal sealed record KnownRun(RunSetup Setup, RunSpecification Specification, ServerPlan Plan)
{
    /// <summary>The run's sizes.</summary>
    public RunDimensions Dimensions => Plan.Dimensions;

    /// <summary>What a setup comes to.</summary>
    /// <exception cref="SpecificationException">The specification has mistakes, or a layer does not
    /// suit its input.</exception>
    public static KnownRun Of(RunSetup setup)
    {
        RunSpecification run = RunSpecificationReader.Read(
            setup.Specification, $"the specification of run {setup.Run}");
        Network network = RunPlanner.BuildNetwork(run, setup.Outline.Train.FeatureShape);
        long rows = setup.Outline.Train.Count;
        long stepsPerEpoch = (rows + run.BatchSize - 1) / run.BatchSize;
        var dimensions = new RunDimensions(
            network.Layout, rows, run.BatchSize, run.MicroBatches,
            Math.Min(run.Epochs * stepsPerEpoch, run.Stop.Value.MaxSteps ?? long.MaxValue),
            setup.Outline.Validation is { } samples
                ? MetricsAccumulator.MicroBatchesOf(samples.Count)
                : 0);
        return new KnownRun(setup, run, new ServerPlan(
            setup.Run, dimensions, network,
            new UpdateRules(run.Optimizer, run.Penalty, run.Clipping), run.Schedule));
    }
}
