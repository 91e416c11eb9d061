using System.Collections.Immutable;
using Backprop.Data.Preparation;
using Backprop.Engine;
using Backprop.Engine.Losses;

namespace Backprop.Models;

/// <summary>One of a model's outputs, and how it is read.</summary>
/// <param name="Name">The output; empty: it is the only one, without a name.</param>
/// <param name="Shape">The shape of one of its rows.</param>
/// <param name="Loss">What it was trained by, which says what its numbers are.</param>
/// <param name="HasClasses">Whether its target is classes.</param>
/// <param name="TargetNames">The classes by index, or the values.</param>
/// <param name="Scale">How its target's values were scaled.</param>
internal sealed record ModelOutput(
    string Name, Shape Shape, Loss Loss, bool HasClasses, ImmutableArray<string> TargetNames,
    Normalization Scale);
