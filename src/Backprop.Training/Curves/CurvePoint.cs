namespace Backprop.Training.Curves;

/// <summary>What a few successive steps came to, with their extremes, so that no spike is lost.
/// </summary>
/// <param name="FirstStep">The first of them; the point's place is that of this step in
/// <see cref="CurveGrid"/>.</param>
/// <param name="Steps">How many there are: fewer than the place has, where the run is still in it
/// or a parameter server was lost in it. 0: the point is not there.</param>
/// <param name="LossMin">The lowest mean loss of a step's rows.</param>
/// <param name="LossMean">The mean over the steps.</param>
/// <param name="LossMax">The highest.</param>
/// <param name="GradientNorm">The largest L2 norm of a step's gradient, penalties included, before
/// clipping.</param>
/// <param name="LearningRate">That of the last step.</param>
/// <param name="StepSeconds">The mean time of a step, waiting included.</param>
public readonly record struct CurvePoint(
    long FirstStep, long Steps, double LossMin, double LossMean, double LossMax,
    double GradientNorm, float LearningRate, float StepSeconds)
{
    /// <summary>One past the last step.</summary>
    public long EndStep => FirstStep + Steps;

    /// <summary>The point's place.</summary>
    public long Index => CurveGrid.IndexOf(FirstStep);
}
