using Backprop.Engine.Schedules;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Learning-rate schedules.</summary>
internal static class ScheduleSchema
{
    private static readonly Key<long> Epochs = Key.Required(
        "epochs", Kinds.Count, "epochs between two reductions");

    private static readonly Key<double> StepReduction = Key.Optional(
        "reduction", Kinds.FractionAboveZero, 0.1, "0.1", "what the rate is multiplied by");

    private static readonly Key<double> EpochReduction = Key.Required(
        "reduction", Kinds.FractionAboveZero, "what the rate is multiplied by every epoch");

    private static readonly Key<double> CosineMinimum = Key.Optional(
        "minimum-factor", Kinds.Fraction, 0.0, "0", "what is left of the rate at the end");

    private static readonly Key<double> Maximum = Key.Optional(
        "maximum-factor", Kinds.Positive, 1.0, "1",
        "the peak, as a multiple of the learning rate");

    private static readonly Key<double> RisingPart = Key.Optional(
        "rising-part", Kinds.Fraction, 0.3, "0.3", "part of the run that rises");

    private static readonly Key<double> InitialDivisor = Key.Optional(
        "initial-divisor", new NumberKind(1), 25.0, "25", "peak over first rate");

    private static readonly Key<double> FinalDivisor = Key.Optional(
        "final-divisor", new NumberKind(1), 1e4, "10000", "first rate over last rate");

    private static readonly Key<double> PlateauReduction = Key.Optional(
        "reduction", Kinds.OpenFraction, 0.1, "0.1", "what the rate is multiplied by");

    private static readonly Key<long> Patience = Key.Optional(
        "patience", Kinds.CountOrZero, 10L, "10",
        "evaluations without improvement that are borne");

    private static readonly Key<double> Threshold = Key.Optional(
        "threshold", Kinds.NotNegative, 1e-4, "0.0001",
        "how much better, relative to the best, counts as better");

    private static readonly Key<long> Cooldown = Key.Optional(
        "cooldown", Kinds.CountOrZero, 0L, "0",
        "evaluations after a reduction that are not counted");

    private static readonly Key<double> PlateauMinimum = Key.Optional(
        "minimum-factor", Kinds.Fraction, 0.0, "0", "the rate never falls below this part of it");

    private static readonly Key<long> Steps = Key.Required(
        "steps", Kinds.LongCount, "steps of linear rise; the first has 1/steps of the rate");

    private static readonly Key<LearningRateSchedule> Then = Key.Optional(
        "then", new DeferredKind<LearningRateSchedule>(() => Schedule!),
        new ConstantSchedule(), "constant", "the schedule that is warmed up; it is not shifted");

    public static Choice<LearningRateSchedule> Schedule { get; } = new(
        "schedule",
        new Section<LearningRateSchedule>(
            "constant", "The optimizer's learning rate, always.", [],
            _ => new ConstantSchedule()),
        new Section<LearningRateSchedule>(
            "step", "A reduction every so many epochs.", [Epochs, StepReduction],
            k => new StepSchedule { Epochs = k.GetInt(Epochs), Reduction = k.Get(StepReduction) }),
        new Section<LearningRateSchedule>(
            "exponential", "A reduction every epoch.", [EpochReduction],
            k => new ExponentialSchedule { Reduction = k.Get(EpochReduction) }, EpochReduction),
        new Section<LearningRateSchedule>(
            "cosine", "Half a cosine wave from the rate down to a minimum at the run's end.",
            [CosineMinimum],
            k => new CosineSchedule { MinimumFactor = k.Get(CosineMinimum) }),
        new Section<LearningRateSchedule>(
            "warm-up", "A linear rise over the first steps, on top of another schedule.",
            [Steps, Then],
            k => new WarmUpSchedule { Steps = k.Get(Steps), Inner = k.Get(Then) }),
        new Section<LearningRateSchedule>(
            "one-cycle", "One rise and one longer fall, each half a cosine wave.",
            [Maximum, RisingPart, InitialDivisor, FinalDivisor],
            k => new OneCycleSchedule
            {
                MaximumFactor = k.Get(Maximum), RisingPart = k.Get(RisingPart),
                InitialDivisor = k.Get(InitialDivisor), FinalDivisor = k.Get(FinalDivisor),
            }),
        new Section<LearningRateSchedule>(
            "plateau", "A reduction whenever `stop.metric` has stopped improving.",
            [PlateauReduction, Patience, Threshold, Cooldown, PlateauMinimum],
            k => new PlateauSchedule
            {
                Reduction = k.Get(PlateauReduction), Patience = k.GetInt(Patience),
                Threshold = k.Get(Threshold), Cooldown = k.GetInt(Cooldown),
                MinimumFactor = k.Get(PlateauMinimum),
            }));
}
