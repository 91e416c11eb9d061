using Backprop.Engine.Initializers;
using Backprop.Training.Specification.Reading;

namespace Backprop.Training.Specification.Schema;

/// <summary>Rules for the first values of parameters.</summary>
internal static class InitializerSchema
{
    private static readonly Key<double> Value = Key.Required(
        "value", Kinds.Number, "every element");

    private static readonly Key<double> Minimum = Key.Required(
        "minimum", Kinds.Number, "the least value");

    private static readonly Key<double> Maximum = Key.Required(
        "maximum", Kinds.Number, "what every value is below");

    private static readonly Key<double> Mean = Key.Optional(
        "mean", Kinds.Number, 0.0, "0", "the mean");

    private static readonly Key<double> Deviation = Key.Required(
        "standard-deviation", Kinds.NotNegative, "the standard deviation");

    private static readonly Key<NumberTable> Table = Key.Required(
        "values", Kinds.Table,
        "the elements; of a weight, one row for each input and in it one number for each unit");

    public static Choice<Initializer> Initializer { get; } = new(
        "initializer",
        Fixed("zeros", "All 0.", Constant.Zeros),
        Fixed("ones", "All 1.", Constant.Ones),
        new Section<Initializer>(
            "constant", "All the same.", [Value], k => new Constant(k.GetFloat(Value)), Value),
        new Section<Initializer>(
            "uniform", "Evenly distributed.", [Minimum, Maximum], BindUniform),
        new Section<Initializer>(
            "normal", "Normally distributed.", [Mean, Deviation],
            k => new Normal(k.GetFloat(Mean), k.GetFloat(Deviation))),
        Fixed(
            "xavier-uniform", "±√(6 / (inputs + outputs)), uniform (Glorot).",
            VarianceScaling.XavierUniform),
        Fixed(
            "xavier-normal", "Standard deviation √(2 / (inputs + outputs)) (Glorot).",
            VarianceScaling.XavierNormal),
        Fixed("he-uniform", "±√(6 / inputs), uniform (He).", VarianceScaling.HeUniform),
        Fixed("he-normal", "Standard deviation √(2 / inputs) (He).", VarianceScaling.HeNormal),
        Fixed("lecun-uniform", "±√(3 / inputs), uniform (LeCun).", VarianceScaling.LeCunUniform),
        Fixed(
            "lecun-normal", "Standard deviation √(1 / inputs) (LeCun).",
            VarianceScaling.LeCunNormal),
        new Section<Initializer>(
            "values", "The values themselves.", [Table],
            k => new ExplicitValues(k.Get(Table).Values), Table));

    private static Section<Initializer> Fixed(string name, string meaning, Initializer value) =>
        new(name, meaning, [], _ => value);

    private static Initializer BindUniform(KeyValues keys)
    {
        if (keys.Get(Minimum) > keys.Get(Maximum))
        {
            keys.Refuse(Minimum, "must not be above 'maximum'");
        }

        return new Uniform(keys.GetFloat(Minimum), keys.GetFloat(Maximum));
    }
}
