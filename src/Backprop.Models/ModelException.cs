namespace Backprop.Models;

/// <summary>A model cannot be used as it is, or not for what is asked: the message says what is
/// wrong, where, and what would be right.</summary>
public sealed class ModelException : Exception
{
    /// <summary>Refuses a model, or what is asked of it.</summary>
    /// <param name="message">What is wrong, and what would be right.</param>
    /// <param name="cause">What reported it first.</param>
    public ModelException(string message, Exception? cause = null)
        : base(message, cause)
    {
    }
}
