using Backprop.Engine.Networks;
using Backprop.Engine.Optimizers;
using Backprop.Training.Protocol;
using Backprop.Training.Specification;

namespace Backprop.Distributed.Nodes;

/// <summary>A run as a node knows it that has not seen its data.</summary>
/// <param name="Setup">What it was told.</param>
/// <param name="Specification">What is trained.</param>
/// <param name="Plan">What a parameter server needs of it.</param>
internal sealed record KnownRun(RunSetup Setup, RunSpecification Specification, ServerPlan Plan)
{
    /// <summary>Which steps are verified.</summary>
    public VerificationRule Verification => new(Specification.Seed, Specification.VerifyShare);

    /// <summary>The run's sizes.</summary>
    public RunDimensions Dimensions => Plan.Dimensions;

    /// <summary>What a setup comes to.</summary>
    /// <param name="setup">What was told.</param>
    /// <param name="plugins">The plug-ins that are loaded here.</param>
    /// <exception cref="SpecificationException">The specification has mistakes, names a layer of a
    /// plug-in that is not here, or a layer does not suit its input.</exception>
    /// <exception cref="ArgumentException">The outline is none of any data, or a plug-in is another
    /// than the run's.</exception>
    public static KnownRun Of(RunSetup setup, LayerPlugins plugins)
    {
        if (setup.Outline.Refusal() is { } reason)
        {
            throw new ArgumentException($"the outline of the data is wrong: {reason}");
        }

        RunSpecification run = RunSpecificationReader.Read(
            setup.Specification, $"the specification of run {setup.Run}", plugins: plugins);
        Network network = RunPlanner.BuildNetwork(
            run, setup.Outline.Train.FeatureShape, setup.Outline.Inputs);
        if (LayerPlugins.DifferenceOf(network, setup.Outline.Plugins) is { } difference)
        {
            throw new ArgumentException($"the plug-ins differ from the run's: {difference}");
        }

        return new KnownRun(setup, run, new ServerPlan(
            setup.Run, RunDimensions.Of(run, setup.Outline, network.Layout), network,
            run.Rules, run.Schedule));
    }
}
