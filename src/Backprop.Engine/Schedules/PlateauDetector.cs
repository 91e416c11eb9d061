namespace Backprop.Engine.Schedules;

/// <summary>What is remembered from one evaluation to the next to see a plateau; part of a
/// checkpoint.</summary>
public sealed record PlateauState
{
    /// <summary>Before the first evaluation.</summary>
    public static PlateauState Initial { get; } = new();

    /// <summary>The best metric so far; null: none yet.</summary>
    public double? Best { get; init; }

    /// <summary>Counted evaluations since the best one, or since the last reduction.</summary>
    public int EvaluationsWithoutImprovement { get; init; }

    /// <summary>Evaluations that will not be counted.</summary>
    public int CooldownLeft { get; init; }

    /// <summary>Reductions so far: <see cref="SchedulePosition.PlateauReductions"/>.</summary>
    public int Reductions { get; init; }
}

/// <summary>Sees that a metric has stopped improving; the rule of PyTorch's
/// <c>ReduceLROnPlateau</c>, as a pure function.</summary>
public static class PlateauDetector
{
    /// <summary>The state after one more evaluation. A metric that is not a number improves
    /// nothing.
    /// </summary>
    /// <param name="rule">Patience, threshold and cooldown.</param>
    /// <param name="state">The state before.</param>
    /// <param name="metric">What the evaluation found.</param>
    /// <param name="higherIsBetter">Whether the metric is to rise, like accuracy.</param>
    public static PlateauState Observe(
        PlateauSchedule rule, PlateauState state, double metric, bool higherIsBetter)
    {
        bool better = IsBetter(rule.Threshold, state.Best, metric, higherIsBetter);
        bool cooling = state.CooldownLeft > 0;
        int waited = better || cooling ? 0 : state.EvaluationsWithoutImprovement + 1;
        bool reduce = waited > rule.Patience;
        return new PlateauState
        {
            Best = better ? metric : state.Best,
            EvaluationsWithoutImprovement = reduce ? 0 : waited,
            CooldownLeft = reduce ? rule.Cooldown : Math.Max(0, state.CooldownLeft - 1),
            Reductions = reduce ? state.Reductions + 1 : state.Reductions,
        };
    }

    // Relative to the size of the best, so that a negative one (R²) has to be exceeded as well.
    private static bool IsBetter(
        double threshold, double? best, double metric, bool higherIsBetter)
    {
        if (best is not { } reference)
        {
            return !double.IsNaN(metric);
        }

        double margin = threshold * Math.Abs(reference);
        return higherIsBetter ? metric > reference + margin : metric < reference - margin;
    }
}
