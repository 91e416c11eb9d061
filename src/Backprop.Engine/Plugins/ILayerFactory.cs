using System.Collections.Immutable;

namespace Backprop.Engine.Plugins;

/// <summary>Makes layers of one kind. A plug-in has a public class with a constructor without
/// parameters for each kind of layer.</summary>
public interface ILayerFactory
{
    /// <summary>The kind's word in specifications, of lower-case letters, digits and dashes; with
    /// its maker's name before it, it stays unlike others: <c>acme-swish</c>.</summary>
    string Kind { get; }

    /// <summary>The keys that a specification may give.</summary>
    ImmutableArray<LayerOption> Options => [];

    /// <summary>Makes a layer.</summary>
    /// <param name="input">The shape of one input row.</param>
    /// <param name="options">A value for each of <see cref="Options"/>, each in its range.</param>
    /// <exception cref="ArgumentException">The layer cannot read such rows, or options do not go
    /// together; the message says what would be right.</exception>
    ILayer Create(Shape input, LayerOptions options);
}

/// <summary>A key of a plug-in's layer.</summary>
/// <param name="Name">Lower-case letters, digits and dashes.</param>
/// <param name="Meaning">What it is, in a few words, for messages.</param>
public abstract record LayerOption(string Name, string Meaning);

/// <summary>A number.</summary>
/// <param name="Name">The key.</param>
/// <param name="Meaning">What it is.</param>
/// <param name="Default">What holds where it is not given; null: it must be.</param>
/// <param name="Minimum">The least.</param>
/// <param name="Maximum">The greatest.</param>
public sealed record NumberOption(
    string Name, string Meaning, double? Default = null, double Minimum = -float.MaxValue,
    double Maximum = float.MaxValue) : LayerOption(Name, Meaning);

/// <summary>A whole number.</summary>
/// <param name="Name">The key.</param>
/// <param name="Meaning">What it is.</param>
/// <param name="Default">What holds where it is not given; null: it must be.</param>
/// <param name="Minimum">The least.</param>
/// <param name="Maximum">The greatest.</param>
public sealed record IntegerOption(
    string Name, string Meaning, int? Default = null, int Minimum = 1,
    int Maximum = int.MaxValue) : LayerOption(Name, Meaning);

/// <summary>True or false.</summary>
/// <param name="Name">The key.</param>
/// <param name="Meaning">What it is.</param>
/// <param name="Default">What holds where it is not given.</param>
public sealed record BooleanOption(string Name, string Meaning, bool Default = false)
    : LayerOption(Name, Meaning);

/// <summary>One of several words.</summary>
/// <param name="Name">The key.</param>
/// <param name="Meaning">What it is.</param>
/// <param name="Words">At least one; the first holds where none is given.</param>
public sealed record WordOption(string Name, string Meaning, ImmutableArray<string> Words)
    : LayerOption(Name, Meaning);

/// <summary>The values of a layer's options.</summary>
/// <param name="values">By their keys: a double, an int, a bool or a string each.</param>
public sealed class LayerOptions(ImmutableDictionary<string, object> values)
{
    /// <summary>The value of a <see cref="NumberOption"/>.</summary>
    /// <exception cref="ArgumentException">The layer has no such option.</exception>
    public double Number(string name) => Value<double>(name);

    /// <summary>The value of an <see cref="IntegerOption"/>.</summary>
    /// <exception cref="ArgumentException">The layer has no such option.</exception>
    public int Integer(string name) => Value<int>(name);

    /// <summary>The value of a <see cref="BooleanOption"/>.</summary>
    /// <exception cref="ArgumentException">The layer has no such option.</exception>
    public bool Boolean(string name) => Value<bool>(name);

    /// <summary>The value of a <see cref="WordOption"/>.</summary>
    /// <exception cref="ArgumentException">The layer has no such option.</exception>
    public string Word(string name) => Value<string>(name);

    private T Value<T>(string name) => values.TryGetValue(name, out object? value) && value is T own
        ? own
        : throw new ArgumentException($"the layer has no option '{name}' of this type");
}
